"""The demo's web server in a process of its own, and Debian's Chromium to look at it."""

import os
import shutil
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.demo_project.web import Site

LIMIT = 30_000  # milliseconds: what a loaded machine may take for anything
FLAGS = (
    "--no-sandbox",  # Chromium has none for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=LIMIT)


def executable():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and os.environ.get("CI") == "true":
        raise AssertionError("There is no chromium; .ci/servers installs it.")
    return found or pytest.skip("there is no chromium; .ci/servers installs it")


@pytest.fixture(scope="module")
def chromium():
    """The browser. Ends with the module: while Playwright runs, Django takes the thread for an event loop's."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def site(project):
    return Site(project).start()


@pytest.fixture
def open_dashboard(chromium, site):
    """Opens the dashboard in a browser profile of its own, logged in."""
    contexts = []

    def open_dashboard(**options):
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        context.set_default_timeout(LIMIT)
        page = context.new_page()
        page.goto("/dashboard/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill("admin")
        page.get_by_role("button", name="Log in").click()
        if options.get("java_script_enabled", True):
            expect(page.get_by_role("status")).to_have_text("Live")
        return page

    yield open_dashboard
    for context in contexts:
        context.close()


@pytest.fixture
def open_as(chromium, site):
    """Opens a page of the admin for a user, in a browser profile of its own, and hears what browsers complain of.

    ``open_as.problems`` must be empty in the end.
    """
    contexts, problems = [], []

    def hear(message):
        if message.type in ("error", "warning") and urlsplit(message.location["url"]).path != "/favicon.ico":
            problems.append(f"{message.text} {message.location}")

    def open_as(cookie, path, **options):
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)
        context.set_default_timeout(LIMIT)
        name, _, value = cookie.partition(";")[0].partition("=")
        context.add_cookies([{"name": name, "value": value.strip(), "url": site.url}])
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: problems.append(error.stack))
        page.goto(path)
        return page

    open_as.problems = problems
    yield open_as
    for context in contexts:
        context.close()
    assert problems == []
