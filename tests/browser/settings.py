"""The demo under the strictest policy that a site may have, and with a page for the charts of one stream.

What failed waits so long that nothing but an operator has it handled while a test looks.
"""

from demo_project.settings import *  # noqa: F403
from demo_project.settings import MIDDLEWARE, STREAM_EVENTS, env

MIDDLEWARE = ["tests.browser.strict.policy", *MIDDLEWARE]
ROOT_URLCONF = "tests.browser.strict"
STREAM_EVENTS = {
    **STREAM_EVENTS,
    "ADMIN": {"MIN_REFRESH": 0.2},
    "BACKOFF": 3600,
    "MAX_DELIVERIES": env.int("MAX_DELIVERIES", default=8),
}
