"""Remembers, for the whole process, that Redis does not answer: one request has paid for finding out."""

from __future__ import annotations

import logging
import os
import time

import redis

from stream_events.conf import get_settings
from stream_events.connections import explain, publishing_line, safe_url

logger = logging.getLogger("stream_events")

ABANDONED = 5.0  # seconds; where no thread has probed for so long, such as after a fork, a caller does


class Breaker:
    """Open from a failure until a probe is answered, for the server of the settings as they are."""

    def __init__(self) -> None:
        self._reason = ""
        self._probed_at = 0.0
        self._settings: object = None
        self._process = os.getpid()

    def check(self) -> None:
        """Raise ``redis.ConnectionError`` at once if Redis did not answer the last time it was asked."""
        if not self.is_open:
            return
        if time.monotonic() - self._probed_at > ABANDONED:
            self._probed_at = time.monotonic()
            return
        raise redis.ConnectionError(f"not tried, because Redis did not answer a moment ago: {self._reason}")

    @property
    def is_open(self) -> bool:
        if self._reason and (self._settings is not get_settings() or self._process != os.getpid()):
            self._reset()
        return bool(self._reason)

    def trip(self, error: BaseException) -> None:
        """Open, because of ``error``."""
        if not self.is_open:
            logger.error("redis_unavailable url=%s error=%r", safe_url(get_settings().url), explain(error))
            self._settings, self._process = get_settings(), os.getpid()
        self._reason = explain(error)
        self._probed_at = time.monotonic()

    def close(self) -> None:
        if self.is_open:
            logger.warning("redis_available url=%s", safe_url(get_settings().url))
        self._reset()

    def probe(self) -> bool:
        """Whether it is closed, or Redis answers now, which closes it."""
        if not self.is_open:
            return True
        self._probed_at = time.monotonic()
        try:
            publishing_line().converse([("PING",)])
        except (redis.RedisError, OSError) as error:
            self._reason = explain(error)
            return False
        self.close()
        return True

    def _reset(self) -> None:
        self._reason = ""


breaker = Breaker()
