"""What operators do, from the landing page to a report, before the demo's real processes and a strict policy."""

import json
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from stream_events.keys import audit_key, group_keys
from tests.browser.places import SECTION, orders, places, without_redis
from tests.browser.scene.filling import Scene
from tests.conftest import wait_for

BILLING, CARE = group_keys("orders", "billing"), group_keys("orders", "customer_care")
STREAMS = f"{SECTION}/stream/"
PENDING = f"{SECTION}/pendingentry/?group=orders~billing"
DEAD = f"{SECTION}/deadletter/?group=orders~billing"
SIGN_IN = """
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
call_command("streams", "createroles", verbosity=0)
user = User.objects.create_user("{name}", is_staff=True)
user.groups.add(Group.objects.get(name="{role}"))
user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["shop", "billing"]))
client = Client()
client.force_login(user)
print("COOKIE", client.cookies["sessionid"].OutputString())
"""
ORDERS = """
from demo_project.shop.models import Order
for number in range({count}): Order.objects.create(number=f"A{{number}}", customer="Ada")
"""
LINES = """
from demo_project.shop.models import Order
for order in Order.objects.all(): order.lines.create(product="Tea", unit_price=4)
"""


@pytest.fixture
def project(project):
    project.environment["DJANGO_SETTINGS_MODULE"] = "tests.browser.settings"
    return project


@pytest.fixture
def redis(site):
    with site.project.redis() as client:
        yield client


@pytest.fixture
def sign_in(site):
    """Makes a member of the staff with a role of the command “streams createroles”; returns the cookie."""

    def sign_in(name, role="Stream operator"):
        output = site.project.shell(SIGN_IN.format(name=name, role=role))
        return re.search("COOKIE (.*)", output)[1]

    return sign_in


@pytest.fixture
def consume(site, redis):
    """Starts a consumer of ``group``, and ends it with the test."""

    def consume(group):
        process = site.project.start("runconsumer", "orders", group, "--no-reload")
        keys = group_keys("orders", group)
        wait_for(lambda: redis.zcard(keys.consumers) or process.poll() is not None, "the consumer")
        return process

    return consume


@pytest.fixture
def failing(site, redis, consume):
    """Orders without lines, which the running consumer of billing cannot invoice."""

    def fail(count=1):
        consume("billing")
        site.project.shell(ORDERS.format(count=count))
        wait_for(lambda: redis.zcard(BILLING.retry) == count, "the failures")

    return fail


@pytest.fixture
def waiting(redis):
    """``count`` entries that billing has failed to handle, while none of its consumers runs."""

    def wait(count):
        redis.xgroup_create("orders", "billing", id="0", mkstream=True)
        for number in range(count):
            redis.xadd(
                "orders", {"payload": json.dumps({"obj_type": "shop.order", "action": "create", "obj_id": number})}
            )
        redis.xreadgroup("billing", "~retry", {"orders": ">"})
        names = [row["message_id"].decode() for row in redis.xpending_range("orders", "billing", "-", "+", count)]
        redis.zadd(BILLING.retry, {name: (time.time() + 3600) * 1000 for name in names})
        return names

    return wait


def find_from_landing_page(page):
    """From the streams to the page of the first entry that failed."""
    page.get_by_role("link", name="1 group failing").click()
    page.locator("#result_list .field-pending a").click()
    page.locator("#result_list tbody .field-entry a").first.click()


def add_line(page):
    page.goto("/admin/shop/order/")
    page.get_by_role("link", name="A0", exact=True).click()
    page.locator("#id_lines-0-product").fill("Tea")
    page.locator("#id_lines-0-unit_price").fill("4.20")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def expect_to_be_handled(page, redis):
    """On the pages of billing, and in the table of invoices."""
    wait_for(lambda: redis.xpending("orders", "billing")["pending"] == 0, "the invoice")
    page.goto(PENDING)
    expect(page.get_by_text("Nothing pending. All delivered entries are acknowledged.")).to_be_visible()
    entry = redis.xrange("orders", count=1)[0][0].decode()
    page.goto(f"{STREAMS}orders~{entry}/entry/")
    expect(page.get_by_role("row").filter(has_text="billing")).to_contain_text("done")
    page.goto("/admin/billing/invoice/")
    expect(page.get_by_role("link", name="A0")).to_be_visible()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


@pytest.mark.parametrize(
    "java_script_enabled", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["scripts", "no-scripts"]
)
def test_an_operator_finds_a_failure_mends_its_cause_and_has_it_handled(
    open_as, sign_in, failing, redis, java_script_enabled
):
    failing()
    page = open_as(sign_in("olga"), STREAMS, java_script_enabled=java_script_enabled)
    find_from_landing_page(page)
    expect(page.get_by_role("heading", name="Last failure")).to_be_visible()
    expect(page.get_by_text("OrderHasNoLinesError: A0").first).to_be_visible()
    expect(page.locator(".se-traceback")).to_contain_text("raise OrderHasNoLinesError(order.number)")
    address = page.url
    add_line(page)
    page.goto(address)
    page.get_by_role("link", name="Have handled now…").click()
    expect(page.get_by_role("heading", name="Have 1 entry of orders/billing handled now.")).to_be_visible()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status")).to_contain_text("Done: 1 ")
    expect_to_be_handled(page, redis)


def press_until(page, locator, key="Tab"):
    """Go on with the keyboard until ``locator`` has the focus."""
    for _ in range(150):
        page.keyboard.press(key)
        if locator.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("The keyboard does not lead there.")


@pytest.mark.slow
def test_the_keyboard_is_enough(open_as, sign_in, failing, redis, site):
    failing()
    page = open_as(sign_in("olga"), STREAMS)
    for link in (
        page.get_by_role("link", name="1 group failing"),
        page.locator("#result_list .field-pending a"),
        page.locator("#result_list tbody .field-entry a").first,
    ):
        press_until(page, link)
        page.keyboard.press("Enter")
        page.wait_for_load_state("domcontentloaded")
    expect(page.get_by_text("OrderHasNoLinesError: A0").first).to_be_visible()
    site.project.shell(LINES)
    press_until(page, page.get_by_role("link", name="Have handled now…"))
    page.keyboard.press("Enter")
    press_until(page, page.get_by_role("button", name="Yes, do it"))
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_contain_text("Done: 1 ")
    press_until(page, page.get_by_role("link", name="Back to where you were"))
    page.keyboard.press("Enter")
    page.wait_for_load_state("domcontentloaded")
    expect_to_be_handled(page, redis)


@pytest.mark.slow
def test_dead_letters_of_one_error_are_requeued_together_and_to_their_own_group_only(
    open_as, sign_in, site, redis, consume
):
    site.project.environment["MAX_DELIVERIES"] = "1"
    consume("customer_care")
    consume("billing")
    site.project.shell(ORDERS.format(count=12))
    for _ in range(3):
        redis.xadd("orders", {"of": "another program"})
    redis.xadd(
        "orders", {"payload": json.dumps({"obj_type": "shop.order", "action": "refund_requested", "obj_id": 1})}
    )
    wait_for(lambda: redis.xlen(BILLING.dead) == 15 and redis.xlen(CARE.dead) == 4, "the dead letters")
    before = redis.xlen("orders"), redis.xinfo_groups("orders")
    site.project.shell(LINES)

    page = open_as(sign_in("olga"), DEAD)
    page.get_by_role("link", name="OrderHasNoLinesError (12)").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(12)
    page.get_by_label("Action:").select_option("requeue")
    page.get_by_label("With:").select_option("all")
    page.get_by_role("button", name="Go", exact=True).first.click()
    expect(page.get_by_text("OrderHasNoLinesError", exact=True)).to_be_visible()
    name = page.get_by_label("to confirm:")
    if name.count():
        name.fill("billing")
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status")).to_contain_text("Done: 12 requeued")

    wait_for(lambda: redis.xlen(BILLING.requeue) == 0, "the invoices")
    assert (redis.xlen("orders"), redis.xinfo_groups("orders")) == before
    assert (redis.xlen(BILLING.dead), redis.xlen(CARE.dead)) == (3, 4)
    page.goto("/admin/billing/invoice/")
    expect(page.locator("#result_list tbody tr")).to_have_count(12)
    page.goto(DEAD)
    expect(page.locator("#result_list .field-error")).to_have_text([re.compile("has no field “payload”")] * 3)


def dump(redis):
    """All that Redis holds, except for the history, to which every look may add."""
    return {key: redis.dump(key) for key in redis.scan_iter("*") if b"stats" not in key}


def post(page, path, **fields):
    """What the server answers to a form that the user of ``page`` sends with a token that is good."""
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    form = {"csrfmiddlewaretoken": token, **fields}
    return page.request.post(path, form=form, headers={"Referer": page.url}, max_redirects=0)


@pytest.mark.slow
def test_a_viewer_sees_everything_and_changes_nothing(open_as, sign_in, site, redis, waiting):
    entry, *_ = waiting(2)
    letter = redis.xadd(
        BILLING.dead, {"payload": "{}", "dead_error": "ValueError: no", "dead_entry_id": "1-0"}
    ).decode()
    operator = open_as(site.cookie, f"{SECTION}/pendingentry/orders~billing~{entry}/order/ack/")
    plan = operator.locator("[name=plan]").input_value()
    operator.goto(PENDING)
    mark = operator.locator(".action-select").first.input_value()
    page = open_as(sign_in("vera", "Stream viewer"), STREAMS)
    before = dump(redis)

    for path in (
        STREAMS,
        f"{STREAMS}orders/change/",
        f"{STREAMS}orders~{entry}/entry/",
        f"{SECTION}/consumergroup/orders~billing/change/",
        PENDING,
        f"{SECTION}/pendingentry/orders~billing~{entry}/change/",
        DEAD,
        f"{SECTION}/deadletter/orders~billing~{letter}/change/",
        f"{SECTION}/consumer/",
    ):
        page.goto(path)
        expect(page.locator("#content")).to_be_visible()
        expect(page.locator("#content a[href*='/order/'], #content select[name=action], .se-buttons")).to_have_count(0)
        expect(page.locator("#content")).not_to_contain_text('obj_id":')
    for path, verbs in (
        (f"pendingentry/orders~billing~{entry}", ("ack", "claim", "retry", "dead")),
        ("pendingentry/orders~billing", ("ack", "claim", "retry", "dead")),
        (f"deadletter/orders~billing~{letter}", ("requeue", "discard", "replay")),
        ("stream/orders", ("publish", "trim", "delete-stream", "replay")),
        ("consumergroup/orders~billing", ("reset", "delete-group")),
        ("consumer/orders~billing~one", ("delete-consumer",)),
    ):
        for verb in verbs:
            for fields in ({"plan": plan, "confirm": "yes"}, {"draft": plan}, {"batch": plan}):
                assert post(page, f"{SECTION}/{path}/order/{verb}/", **fields).status == 403, (path, verb)
    for list_, verbs in ((PENDING, ("ack", "claim", "retry", "dead")), (DEAD, ("requeue", "discard", "replay"))):
        for verb in verbs:
            fields = {"action": verb, "scope": "all", "_selected_action": mark, "index": "0"}
            assert post(page, list_, **fields).status == 403, verb
    assert dump(redis) == before


@pytest.mark.slow
def test_two_operators_who_confirm_the_same_both_get_a_true_report(open_as, sign_in, redis, waiting):
    waiting(3)
    first, second = open_as(sign_in("olga"), PENDING), open_as(sign_in("otto"), PENDING)
    for page, picked in ((first, 2), (second, 3)):
        for number in range(picked):
            page.locator(".action-select").nth(number).check()
        page.get_by_label("Action:").select_option("dead")
        page.get_by_role("button", name="Go", exact=True).first.click()
        expect(page.get_by_role("button", name="Yes, do it")).to_be_visible()
    for page in (first, second):
        page.get_by_role("button", name="Yes, do it").click()
    expect(first.get_by_role("status")).to_contain_text("Done: 2 made dead letters")
    expect(second.get_by_role("status")).to_contain_text("Done: 1 made a dead letter · 2 skipped")
    reasons = second.get_by_role("region", name="Skipped").locator("td")
    expect(reasons).to_have_text(["acknowledged already"] * 2)
    assert redis.xlen(BILLING.dead) == 3
    acts = [fields for _id, fields in redis.xrange(audit_key())]
    assert [(act[b"actor"], act[b"done"], act[b"skipped"]) for act in acts] == [
        (b"olga", b"2", b"0"),
        (b"otto", b"1", b"2"),
    ]


@pytest.mark.slow
def test_redis_stops_while_pages_are_open_and_comes_back(open_as, sign_in, redis, waiting):
    names = waiting(2)
    cookie = sign_in("olga")
    page = open_as(cookie, PENDING)
    page.get_by_label("Refresh").select_option("5")
    page.evaluate("window.isTheSamePage = true")
    with without_redis(redis):
        expect(page.get_by_role("alert")).to_contain_text("Not updating since")
        expect(page.locator("#result_list tbody")).to_have_css("opacity", "0.6")
        expect(page.locator("#result_list tbody tr")).to_have_count(2)
        other = open_as(cookie, STREAMS)
        expect(other.locator(".errornote")).to_contain_text("Redis")
        expect(other.locator("#site-name")).to_be_visible()
        other.get_by_label("Refresh").select_option("5")
        assert other.request.get(STREAMS).status == 503
    redis.xack("orders", "billing", names[0])
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.get_by_role("alert")).to_be_hidden()
    assert page.evaluate("window.isTheSamePage")
    expect(other.locator("#result_list .field-length")).to_have_text("2")
    assert all("503" in text for text in open_as.problems)
    open_as.problems.clear()


def violations(page):
    """What axe finds, without the elements that Django's own templates make wrong wherever they are."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def is_wider_than_the_window(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


class TestEveryPage:
    """With data on it, in light and in dark, wide and narrow."""

    @pytest.fixture
    def project(self, project):
        project.environment["DJANGO_SETTINGS_MODULE"] = "tests.browser.scene.settings"
        project.shell(
            "from stream_events.models import OutboxEvent\n"
            "OutboxEvent.objects.create(event_id='00000000-5f3a-4c1e-a000-6f7264657273', aggregatetype='orders',"
            " aggregateid='shop.order:1', type='create', payload='{}')\n"
        )
        return project

    @pytest.mark.parametrize("color_scheme", ["light", "dark"])
    @pytest.mark.slow
    def test_is_accessible_and_narrow_enough_for_a_telephone(self, open_as, site, redis, color_scheme):
        scene = Scene(redis, time.time())
        scene.fill()
        page = open_as(site.cookie, STREAMS, color_scheme=color_scheme, reduced_motion="reduce")
        problems, heard = {}, []

        def look(name):
            heard.extend(open_as.problems)
            page.set_viewport_size({"width": 1280, "height": 800})
            if found := violations(page):
                problems[name] = found
            page.set_viewport_size({"width": 360, "height": 740})
            if found := violations(page):
                problems[f"{name}, narrow"] = found
            if is_wider_than_the_window(page):
                problems[f"{name}, too wide"] = True
            open_as.problems.clear()  # axe writes styles of its own

        for name, path in places(scene).items():
            page.goto(path)
            look(name)
        for name in orders(page, scene):
            look(name)
        with without_redis(redis):
            page.goto(STREAMS)
            look("unavailable")
        assert problems == {}
        assert [text for text in heard if not re.search("status of (400|404|503)|ERR_FAILED", text)] == []
