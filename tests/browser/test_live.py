"""Pages of the admin that refresh themselves, and the charts, in a real browser and under a strict policy."""

import os
import re
import signal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import LIMIT
from tests.conftest import wait_for

STREAMS = "/admin/stream_events/stream/"
MORE = "<div id=more data-se-live=more><input type=checkbox><input><details><summary>More</summary></details></div>"
HISTORY = """
import math, time
from datetime import UTC, datetime
from stream_events.connections import inspecting_client
from stream_events.operations.samples import Sample, write
pipeline = inspecting_client().pipeline(transaction=False)
now = int(time.time())
added = 1000
for at in range(now - 7 * 86400, now + 1, 60):
    if at < now - 86400 and at % 600 >= 60:
        continue
    added += int(40 + 30 * math.sin(at / 900))
    moment = datetime.fromtimestamp(at, tz=UTC)
    if now - 1500 < at < now - 900:
        continue
    write(pipeline, ("orders", ""), Sample(at=moment, length=500, added=added), "")
    for group, behind in (("billing", 20), ("mailing", 90)):
        lag = int(behind + behind * math.sin(at / 500))
        sample = Sample(at=moment, read=added - lag, pending=lag // 4, lag=lag, time_lag=lag, dead=0)
        write(pipeline, ("orders", group), sample, "")
pipeline.execute()
"""


@pytest.fixture
def project(project):
    project.environment["DJANGO_SETTINGS_MODULE"] = "tests.browser.settings"
    return project


@pytest.fixture
def open_page(chromium, site):
    """Opens a page in a browser profile of its own, logged in; what the console says must be nothing."""
    contexts, problems = [], []
    wait_for(lambda: shows(site, STREAMS), "the server")

    def hear(message):
        if message.type in ("error", "warning") and not message.location["url"].endswith("/favicon.ico"):
            problems.append(f"{message.text} {message.location}")

    def open_page(path, **options):
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        context.set_default_timeout(LIMIT)
        name, _, value = site.cookie.partition(";")[0].partition("=")
        context.add_cookies([{"name": name, "value": value, "url": site.url}])
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path)
        if options.get("java_script_enabled", True):
            expect(state(page)).not_to_be_empty()
        page.evaluate("window.isTheSamePage = true")
        return page

    open_page.problems = problems
    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def shows(site, path):
    with site.look(path) as response:
        return response.status == 200


@pytest.fixture
def history(project):
    project.redis().close()
    project.shell(HISTORY)


def publish(site, count=1):
    with site.project.redis() as server:
        for number in range(count):
            server.xadd("orders", {"payload": f'{{"obj_id": {number}}}'})


def length(page):
    row = page.locator("#result_list tbody tr").filter(has=page.get_by_text("orders", exact=True))
    return row.locator(".field-length")


def choose(page, seconds):
    page.get_by_label("Refresh").select_option(str(seconds))


def refresh(page):
    """As the key does, which works only while nothing has the focus."""
    page.evaluate("document.dispatchEvent(new CustomEvent('stream-events:refresh'))")


def state(page):
    return page.locator(".se-live-state")


def is_wider_than_the_window(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.slow
def test_what_changes_appears_without_a_reload_and_nothing_else_is_touched(open_page, site):
    page = open_page(STREAMS)
    choose(page, 5)
    first = page.locator("#result_list tbody tr").first
    first.evaluate("row => { row.isTheSame = true }")
    publish(site, 3)
    expect(length(page)).to_have_text("3")
    publish(site, 2)
    expect(length(page)).to_have_text("5")
    assert page.evaluate("window.isTheSamePage")
    assert first.evaluate("row => row.isTheSame")
    expect(state(page)).to_contain_text("Updated at")


def test_the_choice_is_kept_and_off_is_off(open_page, site):
    page = open_page(STREAMS)
    expect(page.get_by_label("Refresh")).to_have_value("15")
    choose(page, 0)
    page.reload()
    expect(page.get_by_label("Refresh")).to_have_value("0")
    asked = []
    page.on("request", lambda request: asked.append(request.headers.get("x-stream-events-poll")))
    expect(state(page)).to_contain_text("Updated at")
    publish(site)
    page.keyboard.press("r")
    expect(length(page)).to_have_text("1")
    assert asked == ["1"]


@pytest.mark.parametrize("obstacle", ["a box is ticked", "something is typed", "details are open"])
def test_pauses_while_somebody_works_on_the_page(open_page, site, obstacle):
    page = open_page(STREAMS)
    choose(page, 60)
    page.evaluate(f"document.querySelector('#content-main').insertAdjacentHTML('beforeend', '{MORE}')")
    more = page.locator("#more")
    match obstacle:
        case "a box is ticked":
            more.get_by_role("checkbox").check()
        case "something is typed":
            more.get_by_role("textbox").fill("x")
        case _:
            more.get_by_text("More").click()
    expect(state(page)).to_contain_text("Paused while")
    publish(site)
    refresh(page)
    expect(length(page)).to_have_text("0")
    more.evaluate("more => more.remove()")
    refresh(page)
    expect(length(page)).to_have_text("1")


def test_asks_nothing_while_the_tab_is_hidden_or_nobody_is_there(open_page, site):
    page = open_page(STREAMS)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    page.reload()
    choose(page, 5)
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    asked.clear()
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate("delete document.hidden")
    page.clock.run_for(6_000)
    wait_for(lambda: page.evaluate("1") and asked, "a question")
    page.clock.fast_forward(31 * 60_000)
    page.clock.run_for(2_000)
    expect(state(page)).to_contain_text("nobody was here")
    page.mouse.move(10, 10)
    asked.clear()
    page.clock.run_for(6_000)
    wait_for(lambda: page.evaluate("1") and asked, "a question")


def serve(page, shown):
    """Let the rows of the page be those of ``shown`` from now on; returns them."""

    def answer(route):
        rows = "".join(
            f'<tr data-key="{key}"><th>{key}</th><td><a href="#">{value}</a></td></tr>' for key, value in shown
        )
        response = route.fetch()
        before, list_, after = response.text().partition('id="result_list"')
        after = re.sub("<tbody>.*?</tbody>", lambda _: f"<tbody>{rows}</tbody>", after, count=1, flags=re.S)
        route.fulfill(response=response, body=before + list_ + after)

    page.route(f"**{STREAMS}", answer)
    page.reload()
    expect(state(page)).not_to_be_empty()
    return page.locator("#result_list > tbody > tr")


def test_rows_come_go_and_move_and_those_that_stay_are_the_same(open_page):
    page = open_page(STREAMS)
    shown = [("a", 1), ("b", 1), ("c", 1)]
    rows = serve(page, shown)
    expect(rows).to_have_text(["a1", "b1", "c1"])
    page.evaluate("document.querySelectorAll('#result_list > tbody > tr').forEach(row => { row.isOld = true })")
    for shown[:], expected in (
        ([("c", 1), ("a", 2), ("d", 1)], [True, True, None]),
        ([("d", 1), ("e", 1), ("c", 3), ("b", 1), ("a", 2)], [None, None, True, None, True]),
    ):
        refresh(page)
        expect(rows).to_have_text([f"{key}{value}" for key, value in shown])
        assert rows.evaluate_all("rows => rows.map(row => row.isOld)") == expected
    expect(page.locator("#se-live-said")).to_contain_text("Rows that changed")


def test_the_focus_stays_on_what_had_it(open_page):
    page = open_page(STREAMS)
    shown = [("a", 1), ("b", 1)]
    rows = serve(page, shown)
    rows.nth(1).get_by_role("link").focus()
    shown[:] = [("b", 2), ("a", 1)]
    refresh(page)
    expect(rows).to_have_text(["b2", "a1"])
    expect(rows.first.get_by_role("link")).to_be_focused()


@pytest.mark.slow
def test_says_since_when_it_is_out_of_date_and_goes_on_when_redis_is_back(open_page, site):
    publish(site, 1)
    page = open_page(STREAMS)
    choose(page, 5)
    with site.project.redis() as server:
        process = server.info("server")["process_id"]
        os.kill(process, signal.SIGSTOP)
    try:
        expect(page.get_by_role("alert")).to_contain_text("Not updating since")
        expect(length(page)).to_have_text("1")
        expect(page.locator("body.is-stale")).to_have_count(1)
    finally:
        os.kill(process, signal.SIGCONT)
    publish(site, 1)
    expect(length(page)).to_have_text("2")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert page.evaluate("window.isTheSamePage")
    forget_the_503(open_page)


@pytest.mark.slow
def test_a_page_that_could_not_reach_redis_shows_its_list_when_it_can(open_page, site):
    publish(site, 1)
    with site.project.redis() as server:
        process = server.info("server")["process_id"]
        os.kill(process, signal.SIGSTOP)
    try:
        page = open_page(STREAMS)
        expect(page.locator(".errornote")).to_contain_text("Redis")
        choose(page, 5)
    finally:
        os.kill(process, signal.SIGCONT)
    expect(length(page)).to_have_text("1")
    forget_the_503(open_page)


def forget_the_503(open_page):
    """Chromium writes every failed answer into its console."""
    assert all("503" in text for text in open_page.problems)
    open_page.problems.clear()


def test_says_when_the_session_has_ended(open_page, site):
    page = open_page(STREAMS)
    page.context.clear_cookies()
    page.keyboard.press("r")
    expect(page.get_by_role("alert")).to_contain_text("Signed out")
    assert page.evaluate("window.isTheSamePage")


def test_keys_move_among_rows_and_can_be_switched_off(open_page, site):
    page = open_page(STREAMS)
    rows = page.locator("#result_list tbody tr")
    page.keyboard.press("j")
    expect(rows.first).to_have_attribute("aria-current", "true")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Use these keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.evaluate("document.activeElement.blur()")
    page.reload()
    expect(state(page)).to_contain_text("Updated at")
    page.keyboard.press("j")
    expect(rows.first).not_to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_label("Use these keys")).not_to_be_checked()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("span", ["1h", "24h", "7d"])
@pytest.mark.slow
def test_the_chart_draws_under_a_strict_policy(open_page, history, color_scheme, span, tmp_path):
    page = open_page(f"/chart/?span={span}", color_scheme=color_scheme)
    expect(page.locator(".se-chart-plot canvas")).to_have_count(3)
    expect(page.locator(".se-chart-static")).to_be_hidden()
    page.screenshot(path=tmp_path / "chart.png", full_page=True)
    page.get_by_role("button", name="mailing").click()
    expect(page.get_by_role("button", name="mailing")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".se-chart-plot canvas")).to_have_count(3)


def test_the_chart_follows_the_refresh(open_page, site, history):
    page = open_page("/chart/")
    before = page.locator("#se-chart-data").text_content()
    page.locator(".se-chart-plot canvas").first.evaluate("canvas => { canvas.isOld = true }")
    site.project.shell(HISTORY.replace("added = 1000", "added = 9000").replace("30 * math", "10 * math"))
    page.keyboard.press("r")
    wait_for(lambda: page.locator("#se-chart-data").text_content() != before, "new data")
    assert not page.locator(".se-chart-plot canvas").first.evaluate("canvas => canvas.isOld ?? false")


def test_the_chart_follows_the_theme_and_the_width_of_the_window(open_page, history):
    page = open_page("/chart/", color_scheme="light")
    canvas = page.locator(".se-chart-plot canvas").first
    expect(canvas).to_be_visible()
    canvas.evaluate("canvas => { canvas.isOld = true }")
    page.emulate_media(color_scheme="dark")
    wait_for(lambda: not canvas.evaluate("canvas => canvas.isOld ?? false"), "the other colours")
    canvas.evaluate("canvas => { canvas.isOld = true }")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    wait_for(lambda: not canvas.evaluate("canvas => canvas.isOld ?? false"), "the other colours")
    width = canvas.evaluate("canvas => canvas.clientWidth")
    page.set_viewport_size({"width": 700, "height": 700})
    wait_for(lambda: canvas.evaluate("canvas => canvas.clientWidth") < width, "a narrower chart")


def test_the_chart_is_lines_and_a_table_without_javascript(open_page, history):
    page = open_page("/chart/", java_script_enabled=False)
    expect(page.locator(".se-chart-static svg")).to_have_count(3)
    page.get_by_text("The same as a table").click()
    expect(page.locator(".se-chart-table tbody tr").first).to_be_visible()
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.slow
def test_is_accessible_and_narrow_enough_for_a_telephone(open_page, history, color_scheme):
    page = open_page("/chart/", color_scheme=color_scheme, viewport={"width": 360, "height": 640})
    expect(page.locator(".se-chart-plot canvas")).to_have_count(3)
    page.get_by_text("The same as a table").click()
    for act in (lambda: None, lambda: page.get_by_role("button", name="Keys").click()):
        act()
        found = Axe().run(page, context={"exclude": [[".breadcrumbs"]]})  # Django's own
        assert found.violations_count == 0, found.generate_report()
    assert not is_wider_than_the_window(page)


def test_the_box_for_all_selects_rows_that_came_with_a_refresh(open_page, site):
    with site.project.redis() as server:
        publish(site, 2)
        server.xgroup_create("orders", "customer_care", id="0")
        server.xreadgroup("customer_care", "one", {"orders": ">"}, count=1)
        page = open_page("/admin/stream_events/pendingentry/?group=orders~customer_care")
        server.xreadgroup("customer_care", "one", {"orders": ">"}, count=1)
        refresh(page)
        boxes, counter = page.locator("#result_list .action-select"), page.locator(".action-counter")
        expect(boxes).to_have_count(2)
    expect(counter).to_have_text("0 of 2 selected")
    page.locator("#action-toggle").check()
    expect(page.locator("#result_list .action-select:checked")).to_have_count(2)
    expect(counter).to_have_text("2 of 2 selected")
    boxes.first.uncheck()
    expect(page.locator("#action-toggle")).not_to_be_checked()
    expect(counter).to_have_text("1 of 2 selected")
