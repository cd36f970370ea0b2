"""A consumer's lease: the proof that it lives, without which others adopt what it holds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import redis

from stream_events.connections import explain

logger = logging.getLogger("stream_events")

RENEWALS = 3  # in the time of one lease
SURE = 0.75  # of a lease; after that others may soon adopt what is held
SETTLED = 0.5  # of a lease; what an outage has made of others' leases shows only after that


class Lease:
    """Renewed with ``renew(seconds)``, which says whether it was still there.

    ``term`` grows with each gap: what was taken in an earlier term may have become somebody else's.
    """

    def __init__(self, renew: Callable[[float], bool], seconds: float) -> None:
        self.seconds = seconds
        self.term = 0
        self._renew = renew
        self._sent = float("-inf")  # when the last renewal that was confirmed was sent, by this process's clock
        self._unbroken_since = float("inf")
        self._renewed = threading.Event()

    def renew(self) -> None:
        """Raises ``redis.RedisError`` when it cannot be renewed."""
        sent = time.monotonic()
        try:
            was_there = self._renew(self.seconds)
        except redis.RedisError:
            self._unbroken_since = float("inf")
            raise
        if not was_there or sent - self._sent > SURE * self.seconds:
            self.term += 1
            self._unbroken_since = sent
        elif self._unbroken_since == float("inf"):
            self._unbroken_since = sent
        self._sent = sent
        self._renewed.set()

    def keep(self) -> float:
        """Renew it and return after how many seconds to do so again; a failure is logged."""
        try:
            self.renew()
        except redis.RedisError as error:
            logger.warning("lease_not_renewed error=%r", explain(error))
            return min(1.0, self.seconds / 10)
        return self.seconds / RENEWALS

    def is_sure(self, now: float) -> bool:
        """Whether nobody else can have taken what this consumer holds."""
        return now - self._sent < SURE * self.seconds

    def is_lost(self, now: float) -> bool:
        """Whether it has run out for all that this process knows."""
        return now - self._sent > self.seconds

    def is_settled(self, now: float) -> bool:
        """Whether it was renewed for so long without a gap that the others' leases can be believed."""
        return now - self._unbroken_since > SETTLED * self.seconds

    def wait(self, seconds: float) -> None:
        """Return when it is renewed the next time, or after ``seconds``."""
        self._renewed.clear()
        self._renewed.wait(seconds)
