"""Photographs every page of the section: ``python -m tests.browser.screenshots FOLDER``."""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, LIMIT, executable
from tests.browser.places import orders, places, without_redis
from tests.browser.scene.filling import Scene
from tests.conftest import Project
from tests.demo_project.web import Site

OUTBOX = """
from stream_events.models import OutboxEvent
for number in range(3):
    OutboxEvent.objects.create(
        event_id=f"0000000{number}-5f3a-4c1e-a000-6f7264657273",
        aggregatetype="orders", aggregateid=f"shop.order:{number}", type="create",
        payload='{"obj_type":"shop.order","action":"create","obj_id":%d}' % number,
    )
"""
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}


def main(folder, *looks):
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        project = Project(Path(place), DJANGO_SETTINGS_MODULE="tests.browser.scene.settings")
        try:
            browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
            _prepare(project)
            for look in looks or LOOKS:
                _photograph(project, browser, folder, look)
            browser.close()
        finally:
            project.close()


def _prepare(project):
    returncode, output = project.run("migrate", "--verbosity", "0")
    assert returncode == 0, output
    project.shell(OUTBOX)
    project.site = Site(project).start()


def _photograph(project, browser, folder, look):
    client = project.redis()
    client.flushall()
    scene = Scene(client, time.time())
    scene.fill()
    context = browser.new_context(base_url=project.site.url, **LOOKS[look])
    context.set_default_timeout(LIMIT)
    name, _, value = project.site.cookie.partition(";")[0].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": project.site.url}])
    page = context.new_page()

    def take(name):
        page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)

    paths = places(scene)
    for name, path in paths.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        take(name)
    for name in orders(page, scene):
        take(name)
    page.goto(paths["groups"])
    with without_redis(client):
        page.get_by_label("Refresh").select_option("5")
        page.locator("body.is-stale").wait_for()
        take("stale")
        page.goto(paths["streams"])
        take("unavailable")
    context.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target, *sys.argv[2:])
