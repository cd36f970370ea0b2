"""Whether a consumer is to stop, and why."""

from __future__ import annotations

import time

POLL = 0.05  # seconds


class Halt:
    """Asked for by whoever wants the consumer to stop; ``error`` is the first reason that was no wish.

    It touches no lock, because a signal handler must not wait for one that the interrupted code holds.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._asked = False

    def is_asked(self) -> bool:
        return self._asked

    def ask(self) -> None:
        self._asked = True

    def fail(self, error: BaseException) -> None:
        """Ask for it because of ``error``, which the consumer raises in the end."""
        self.error = self.error or error
        self.ask()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or when the consumer is to stop."""
        deadline = time.monotonic() + seconds
        while not self._asked and (rest := deadline - time.monotonic()) > 0:
            time.sleep(min(rest, POLL))
