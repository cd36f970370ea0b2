"""The demo under the strictest policy that a site may have, and with a page for the charts of one stream."""

from demo_project.settings import *  # noqa: F403
from demo_project.settings import MIDDLEWARE, STREAM_EVENTS

MIDDLEWARE = ["tests.browser.strict.policy", *MIDDLEWARE]
ROOT_URLCONF = "tests.browser.strict"
STREAM_EVENTS = {**STREAM_EVENTS, "ADMIN": {"MIN_REFRESH": 0.2}}
