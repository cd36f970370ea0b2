"""No more than so many events a second."""

from __future__ import annotations

import time
from collections.abc import Callable

_STEP = 0.2  # seconds of events that may leave together
_POLL = 0.05  # seconds


class Throttle:
    """Spreads events evenly, ``rate`` a second at most; None is as many as go. What was not used is lost."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = 0.0

    def chunk(self, most: int) -> int:
        """How many events may leave at a time, ``most`` at most."""
        return most if self._rate is None else max(1, min(most, int(self._rate * _STEP)))

    def wait(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Return when the next events may leave, or soon after ``is_asked_to_stop`` says so."""
        while not is_asked_to_stop() and (rest := self._due - time.monotonic()) > 0:
            time.sleep(min(rest, _POLL))
        self._due = max(self._due, time.monotonic())

    def passed(self, count: int) -> None:
        """Note that ``count`` events have left since the last wait."""
        if self._rate is not None:
            self._due += count / self._rate
