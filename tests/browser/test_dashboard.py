"""The dashboard, in a real browser and before the demo's real processes."""

import json
import os
import signal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.conftest import wait_for


def lines(page):
    """The orders on the page, newest first."""
    return page.locator("#lines tr td:nth-child(2)")


def count(page, action):
    return page.locator("#counts div").filter(has=page.get_by_text(action, exact=True)).locator("dd")


def save_order(page, number):
    """Save an order in another tab of the same browser, with the admin's form."""
    tab = page.context.new_page()
    tab.goto("/admin/shop/order/add/")
    tab.get_by_label("Number").fill(number)
    tab.get_by_label("Customer").fill("Ada")
    tab.get_by_role("button", name="Save", exact=True).click()
    expect(tab.get_by_text("was added successfully")).to_be_visible()
    tab.close()


def save_orders_elsewhere(site, *numbers):
    site.project.shell(
        "from demo_project.shop.models import Order\n"
        f"for number in {numbers}: Order.objects.create(number=number, customer='Ada')\n"
    )


def is_wider_than_the_window(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_an_order_saved_in_another_tab_appears_without_a_reload(open_dashboard):
    page = open_dashboard()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.evaluate("window.isTheSamePage = true")
    for number in range(1, 4):
        save_order(page, f"A{number}")
        expect(lines(page).first).to_have_text(f"A{number}")
        expect(count(page, "create")).to_have_text(str(number))
    assert page.evaluate("window.isTheSamePage")
    assert problems == []


@pytest.mark.slow
def test_what_was_saved_while_the_web_server_was_away_is_there_once_when_it_is_back(open_dashboard, site):
    page = open_dashboard()
    page.evaluate("window.isTheSamePage = true")
    save_order(page, "before")
    expect(lines(page)).to_have_text(["before"])
    site.kill()
    expect(page.get_by_role("status")).to_have_text("Reconnecting…")
    save_orders_elsewhere(site, "meanwhile 1", "meanwhile 2")
    site.start()
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(lines(page)).to_have_text(["meanwhile 2", "meanwhile 1", "before"])
    save_order(page, "after")
    expect(lines(page)).to_have_text(["after", "meanwhile 2", "meanwhile 1", "before"])
    expect(count(page, "create")).to_have_text("4")
    assert page.evaluate("window.isTheSamePage")


@pytest.mark.slow
def test_reconnects_after_a_gateway_has_answered_that_the_server_is_away(open_dashboard, site):
    page = open_dashboard()
    site.kill()
    asked = []

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", site.port), Gateway) as gateway:
        gateway.timeout = 1
        wait_for(lambda: gateway.handle_request() or asked.count("/dashboard/live/") >= 2, "two attempts")
        expect(page.get_by_role("status")).to_have_text("Reconnecting…")
    site.start()
    save_orders_elsewhere(site, "A1")
    expect(lines(page)).to_have_text(["A1"])
    expect(page.get_by_role("status")).to_have_text("Live")


@pytest.mark.slow
def test_goes_on_when_redis_was_killed(open_dashboard, site):
    page = open_dashboard()
    save_order(page, "before")
    expect(lines(page)).to_have_text(["before"])
    with site.project.redis() as server:
        process = server.info("server")["process_id"]
        os.kill(process, signal.SIGKILL)
        wait_for(lambda: _answers(server) and server.info("server")["process_id"] != process, "the new server")
    save_order(page, "after")
    expect(lines(page)).to_have_text(["after", "before"])
    expect(count(page, "create")).to_have_text("2")


@pytest.mark.slow
def test_every_browser_sees_everything(open_dashboard, site):
    pages = [open_dashboard(), open_dashboard()]
    save_orders_elsewhere(site, "A1", "A2")
    save_order(pages[0], "A3")
    for page in pages:
        expect(lines(page)).to_have_text(["A3", "A2", "A1"])
        expect(count(page, "create")).to_have_text("3")


@pytest.mark.slow
def test_a_page_that_was_overtaken_shows_the_latest_events_and_all_counts(open_dashboard, site):
    page = open_dashboard()
    site.project.shell(
        "from stream_events import StreamPublisher\n"
        "payloads = [{'obj_id': n, 'obj_type': 'shop.order', 'action': f'action {n % 3}'} for n in range(3000)]\n"
        "StreamPublisher('orders').batch_add(payloads)\n"
    )
    for number in range(3):
        expect(count(page, f"action {number}")).to_have_text("1000")
    expect(lines(page)).to_have_text([f"shop.order {number}" for number in range(2999, 2949, -1)])


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["live", "without JavaScript"])
def test_what_events_bring_is_text(open_dashboard, site, java_script_enabled):
    evil = "<img src=x onerror=document.title='stolen'>"
    payloads = [
        {"action": "__proto__", "data": {"number": "x" * 5000, "status": "\ud800"}},
        {"action": evil, "data": {"number": evil, "status": {"a": [evil]}}},
        {"obj_id": None, "action": None, "data": [evil]},
    ]
    with site.project.redis() as server:
        for payload in payloads:
            server.xadd("orders", {"payload": json.dumps(payload)})
    options = {"viewport": {"width": 360, "height": 640}, "java_script_enabled": java_script_enabled}
    page = open_dashboard(**options)
    expect(lines(page)).to_have_count(3)
    expect(lines(page).nth(1)).to_have_text(evil)
    expect(count(page, evil)).to_have_text("1")
    expect(count(page, "__proto__")).to_have_text("1")
    expect(page.locator("img")).to_have_count(0)
    expect(page).to_have_title("Orders, live")
    if java_script_enabled:
        assert not is_wider_than_the_window(page)


def test_shows_the_present_state_without_javascript(open_dashboard, site):
    save_orders_elsewhere(site, "A1")
    page = open_dashboard(java_script_enabled=False)
    expect(lines(page)).to_have_text(["A1"])
    expect(count(page, "create")).to_have_text("1")
    expect(page.get_by_text("With JavaScript this page is live")).to_be_visible()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.slow
def test_is_accessible_and_narrow_enough_for_a_telephone(open_dashboard, site, color_scheme):
    save_orders_elsewhere(site, "A1", "A2")
    page = open_dashboard(color_scheme=color_scheme, viewport={"width": 360, "height": 640}, reduced_motion="reduce")
    save_order(page, "A3")
    expect(lines(page)).to_have_text(["A3", "A2", "A1"])
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert not is_wider_than_the_window(page)


@pytest.mark.slow
def test_goes_to_the_login_when_the_session_has_ended(open_dashboard, site):
    page = open_dashboard()
    page.context.clear_cookies()
    site.kill()
    site.start()
    page.wait_for_url("**/admin/login/?next=/dashboard/")


def _answers(server):
    try:
        return server.ping()
    except OSError:
        return False
