"""The time while Redis does not answer, or refuses what a consumer needs."""

from __future__ import annotations

import logging

from stream_events.connections import explain, safe_url
from stream_events.consuming.halt import Halt

logger = logging.getLogger("stream_events")

BACKOFF = (0.5, 1.0, 2.0, 5.0)  # seconds between attempts; the last one is repeated


class Outage:
    """Waits between attempts to reach the server at ``url``, visibly, and until ``halt`` is asked for at the most."""

    def __init__(self, url: str, halt: Halt) -> None:
        self._url = safe_url(url)
        self._halt = halt
        self._attempts = 0

    def wait(self, error: Exception, limit: float) -> None:
        """Say what is wrong, and wait a little longer than the last time, but ``limit`` seconds at most."""
        pause = min(BACKOFF[min(self._attempts, len(BACKOFF) - 1)], max(0.0, limit))
        self._attempts += 1
        logger.warning(
            "redis_unavailable url=%s error=%r: waiting, next attempt in %.1f s", self._url, explain(error), pause
        )
        self._halt.wait(pause)

    def over(self) -> None:
        """Redis has answered; says so if it did not before."""
        if self._attempts:
            logger.warning("redis_available url=%s attempts=%s", self._url, self._attempts)
            self._attempts = 0
