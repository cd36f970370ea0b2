"""Whether a consumer is to stop, and why."""

from __future__ import annotations

import threading


class Halt:
    """Asked for by whoever wants the consumer to stop; ``error`` is the first reason that was no wish."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._asked = False
        self._event = threading.Event()

    def is_asked(self) -> bool:
        return self._asked

    def ask(self) -> bool:
        """Ask for it; False if that was done before. Safe in a signal handler: it touches no lock.

        Those who wait are not woken before ``wake``.
        """
        first, self._asked = not self._asked, True
        return first

    def wake(self) -> None:
        self._event.set()

    def fail(self, error: BaseException) -> None:
        """Ask for it because of ``error``, which the consumer raises in the end."""
        self.error = self.error or error
        self.ask()
        self.wake()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or when the consumer is to stop."""
        self._event.wait(seconds)
