"""Reads that wait for the server, and can be ended."""

from __future__ import annotations

import contextlib
import threading

import redis

from stream_events.clients.entries import NEW
from stream_events.consuming.group import Group
from stream_events.consuming.halt import POLL, Halt
from stream_events.events import Entry


class WaitingReads:
    """Reads of ``group``, none of which waits any longer when ``halt`` is asked for with ``stop``.

    One thread at a time reads.
    """

    def __init__(self, group: Group, halt: Halt) -> None:
        self._group = group
        self._halt = halt
        self._thread: int | None = None  # the one that waits
        self._is_over = threading.Event()

    def read(self, count: int, seconds: float, after: str = NEW) -> list[Entry]:
        """Up to ``count`` entries, waiting ``seconds`` for the first."""
        self._is_over.clear()
        self._thread = threading.get_ident()
        try:
            # Asked after that: whoever stops sees either a thread that waits, or one that will not.
            return [] if self._halt.is_asked() else self._group.read(count, seconds if seconds > 0 else None, after)
        finally:
            self._thread = None
            self._is_over.set()

    def wake(self) -> None:
        """End a read that waits; it then returns nothing."""
        if self._thread is not None:
            with contextlib.suppress(redis.RedisError):
                self._group.wake()

    def stop(self) -> None:
        """Ask for the halt, and return when no thread waits; in a signal handler the read ends after that."""
        self._halt.ask()
        if self._thread == threading.get_ident():
            threading.Thread(target=self._end, name="stream_events-stop", daemon=True).start()
        else:
            self._end()

    def _end(self) -> None:
        while self._thread is not None:
            self.wake()
            self._is_over.wait(POLL)  # not for ever: it may have begun to wait only now
