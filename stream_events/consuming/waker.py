"""Ends a read that waits when the consumer is to stop."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

import redis

from stream_events.consuming.halt import Halt

logger = logging.getLogger("stream_events")

AGAIN = 0.1  # seconds; the read may begin just after it was to be ended


class Waker:
    """A thread that sleeps until ``stop`` is called or ``deadline`` has come, and then calls ``wake`` until ``close``.

    ``name`` is that of the consumer, of ``stream``.
    """

    def __init__(self, stream: str, name: str, halt: Halt, wake: Callable[[], None], deadline: float) -> None:
        self._stream = stream
        self._name = name
        self._halt = halt
        self._wake = wake
        self._deadline = deadline
        self._stops: queue.SimpleQueue[None] = queue.SimpleQueue()  # which a signal handler may put something into
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream_events-waker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Have the consumer stop; may be called from a signal handler, and before ``start``."""
        self._halt.ask()
        self._stops.put(None)

    def close(self) -> None:
        self._closed.set()
        self._stops.put(None)
        self._thread.join()

    def _run(self) -> None:
        limit = self._deadline - time.monotonic()
        with contextlib.suppress(queue.Empty):
            self._stops.get(timeout=None if limit == float("inf") else max(0.0, limit))
        self._halt.ask()
        if not self._closed.is_set():
            logger.info("consumer_stopping stream=%s consumer=%s", self._stream, self._name)
        while not self._closed.is_set():
            with contextlib.suppress(redis.RedisError):
                self._wake()
            self._closed.wait(AGAIN)
