"""The demo with more streams, on a page for each of which there is something to see."""

from tests.browser.settings import *  # noqa: F403
from tests.browser.settings import INSTALLED_APPS, STREAM_EVENTS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.browser.scene.apps.SceneConfig"]
STREAM_EVENTS = {
    **STREAM_EVENTS,
    "ADMIN": {**STREAM_EVENTS["ADMIN"], "ENVIRONMENT": ("staging", "warning")},
    "LEASE": 3600,
}
