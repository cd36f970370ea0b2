"""Orders of operators in a real browser: with scripts, without them, stopped, and reloaded."""

import json
import re

import pytest
from playwright.sync_api import expect

from stream_events.keys import group_keys
from tests.conftest import wait_for

KEYS = group_keys("orders", "customer_care")
LIST = "/admin/stream_events/deadletter/?group=orders~customer_care"


@pytest.fixture
def redis(site):
    with site.project.redis() as client:
        client.xgroup_create(KEYS.stream, "customer_care", id="0", mkstream=True)
        yield client


@pytest.fixture
def open_admin(chromium, site):
    """Opens a page of the admin in a browser profile of its own, logged in."""
    contexts = []

    def open_admin(path, **options):
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        name, value = site.cookie.partition(";")[0].split("=")
        context.add_cookies([{"name": name, "value": value, "url": site.url}])
        page = context.new_page()
        page.goto(path)
        return page

    yield open_admin
    for context in contexts:
        context.close()


def bury(redis, count):
    pipeline = redis.pipeline(transaction=False)
    for number in range(count):
        payload = {"obj_type": "shop.order", "action": "update", "obj_id": number}
        letter = {"payload": json.dumps(payload), "dead_reason": "max_deliveries", "dead_error": "ValueError: no"}
        pipeline.xadd(KEYS.dead, {**letter, "dead_entry_id": f"1700000000000-{number}"})
    pipeline.execute()


def begin(page):
    """Order all dead letters to be handled again, up to the button that does it."""
    page.get_by_label("Action:").select_option("requeue")
    page.get_by_label("With:").select_option("all")
    page.get_by_role("button", name="Go", exact=True).first.click()
    page.get_by_label("Type “customer_care” to confirm:").fill("customer_care")


def hold(route, held):
    """Let the page come, and keep the first that its script asks for."""
    if route.request.resource_type == "fetch" and not held:
        held.append(route)
    else:
        route.continue_()


def requeued(redis):
    return [fields[b"requeued_entry_id"] for _, fields in redis.xrange(KEYS.requeue)]


@pytest.mark.slow
def test_a_batch_goes_on_by_itself_to_a_report_that_has_the_focus(open_admin, redis):
    bury(redis, 5000)
    page = open_admin(LIST)
    begin(page)
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status")).to_contain_text("Done: 5,000 requeued")
    expect(page.locator("#result")).to_be_focused()
    assert len(set(requeued(redis))) == redis.xlen(KEYS.requeue) == 5000
    page.get_by_role("link", name="Back to where you were").click()
    expect(page).to_have_url(re.compile(re.escape(LIST)))


@pytest.mark.slow
def test_without_scripts_every_slice_is_a_button(open_admin, redis):
    bury(redis, 3500)
    page = open_admin(LIST, java_script_enabled=False)
    begin(page)
    page.get_by_role("button", name="Yes, do it").click()
    for done in (1000, 3000):
        expect(page.get_by_role("status")).to_contain_text(f"So far: {done:,} requeued")
        expect(page.locator("#result")).to_be_focused()
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status")).to_contain_text("Done: 3,500 requeued")
    assert len(set(requeued(redis))) == redis.xlen(KEYS.requeue) == 3500


@pytest.mark.slow
def test_a_batch_that_lost_an_answer_goes_on_after_a_reload(open_admin, redis):
    bury(redis, 3500)
    page = open_admin(LIST)
    begin(page)
    slices = []
    page.on("request", lambda request: request.method == "POST" and slices.append(request))
    page.context.route("**/order/requeue/", lambda route: route.abort() if len(slices) == 3 else route.continue_())
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_text("The last step got no answer.")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("So far: 3,000 requeued")
    page.context.unroute("**/order/requeue/")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Done: 3,500 requeued")
    assert len(set(requeued(redis))) == redis.xlen(KEYS.requeue) == 3500


@pytest.mark.slow
def test_stop_waits_for_the_slice_that_runs_and_continue_goes_on(open_admin, redis):
    bury(redis, 3500)
    page = open_admin(LIST)
    begin(page)
    held = []
    page.context.route("**/order/requeue/", lambda route: hold(route, held))
    page.get_by_role("button", name="Yes, do it").click()
    page.get_by_role("button", name="Stop").click()
    wait_for(lambda: page.wait_for_timeout(50) or held, "a slice")
    held[0].continue_()
    expect(page.get_by_role("status")).to_contain_text("Stopped: 3,000 requeued")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status")).to_contain_text("Done: 3,500 requeued")
    assert len(set(requeued(redis))) == redis.xlen(KEYS.requeue) == 3500
