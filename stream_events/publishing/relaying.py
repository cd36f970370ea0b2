"""Relays that go on until they are told to stop, one for each database."""

from __future__ import annotations

import logging
import threading
import time

import redis
from django.db import Error, connections

from stream_events.connections import explain
from stream_events.exceptions import NotDurableError
from stream_events.publishing.relay import Relay
from stream_events.publishing.wakeup import Wakeup

logger = logging.getLogger("stream_events")

PATIENCE = 150.0  # seconds for one round; an attempt to reach a silent database takes two minutes
PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds after a failure; the last one is repeated


class Relaying:
    """Sends the outbox events of ``alias`` as they come. What fails is tried again, visibly."""

    def __init__(self, alias: str) -> None:
        self.sent = 0
        self.error: BaseException | None = None  # what ended it, if it was not told to stop
        self._alias = alias
        self._stop = threading.Event()
        self._failures = 0
        self._seen = time.monotonic()  # when the last round began

    def is_alive(self) -> bool:
        """Whether it gets on, or waits for Redis or the database; False: it hangs."""
        return time.monotonic() - self._seen < PATIENCE

    def stop(self) -> None:
        """Finish the batch in hand, and return from ``run``."""
        self._stop.set()

    def run(self) -> None:
        """Relay until ``stop`` is called. An error that nobody expects ends it, and is logged."""
        wakeup = Wakeup(self._alias)
        try:
            relay = Relay(self._alias)
            while not self._stop.is_set():
                self._seen = time.monotonic()
                if self._round(relay):
                    wakeup.found_some()
                elif not self._failures:
                    wakeup.wait(self._stop)
        except BaseException as error:
            logger.exception("relay_died database=%s", self._alias)
            self.error = error
        finally:
            wakeup.close()
            connections[self._alias].close()

    def _round(self, relay: Relay) -> int:
        try:
            sent = relay.run_once()
        except (redis.RedisError, OSError, Error, NotDurableError) as error:
            pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            logger.warning(
                "relay_failed database=%s error=%r: nothing is lost, next attempt in %.1f s",
                self._alias,
                explain(error),
                pause,
            )
            connections[self._alias].close()
            self._stop.wait(pause)
            return 0
        if self._failures:
            logger.warning("relay_goes_on database=%s", self._alias)
            self._failures = 0
        self.sent += sent
        return sent
