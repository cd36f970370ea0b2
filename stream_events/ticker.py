"""Something that is done again and again beside the rest."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("stream_events")


class Ticker:
    """Calls ``tick`` in a thread of its own: after ``delay`` seconds, and then after as many as it has returned.

    A thread that dies unseen would be worse than a consumer that ends: ``on_death`` is told what ``tick`` raised.
    ``at_end`` is called in the thread, whatever has ended it.
    """

    def __init__(
        self,
        name: str,
        tick: Callable[[], float],
        on_death: Callable[[BaseException], None],
        delay: float = 0.0,
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._tick = tick
        self._at_end = at_end
        self._delay = delay
        self._on_death = on_death
        self._due = time.monotonic() + delay
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stream_events-{name}", daemon=True)
        self._thread.start()

    def overdue(self) -> float:
        """For how many seconds the call that is due, or under way, has not returned."""
        return max(0.0, time.monotonic() - self._due)

    def close(self, timeout: float | None = None) -> None:
        self._closed.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            delay = self._delay
            while not self._closed.wait(delay):
                delay = self._tick()
                self._due = time.monotonic() + delay
        except BaseException as error:
            logger.exception("thread_died name=%s", self._thread.name)
            self._on_death(error)
        finally:
            self._at_end()
