"""The event loop that async handlers run on: one for a consumer, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable
from typing import Any

from asgiref.sync import SyncToAsync, async_to_sync

CLOSING = 2.0  # seconds; a coroutine that blocks the loop cannot be ended, and is left behind


class EventLoop:
    """Runs coroutines for threads that wait for them, on a loop that is made when it is needed.

    Code that a coroutine runs with ``sync_to_async``, which is all of Django's async ORM, runs in the waiting
    thread, and so on that thread's database connections.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use a loop that runs already, which is somebody else's to end."""
        self._loop = loop

    def wait_for(self, result: Awaitable[Any]) -> None:
        """Return when ``result`` is there; raises what it raises."""
        # What asgiref does for threads of its own: its bridge then uses this loop instead of a new one each time.
        local = SyncToAsync.threadlocal
        local.main_event_loop, local.main_event_loop_pid = self._running(), os.getpid()
        try:
            async_to_sync(_awaited)(result)
        finally:
            del local.main_event_loop, local.main_event_loop_pid

    def close(self) -> None:
        """End the loop, if it is an own one; what still runs on it is cancelled."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._ended.set)
                thread.join(CLOSING)
                self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                ready = threading.Event()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(self._stay(ready)), name="stream_events-event-loop", daemon=True
                )
                self._thread.start()
                ready.wait()
            assert self._loop is not None  # noqa: S101
            return self._loop

    async def _stay(self, ready: threading.Event) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ready.set()
        await self._ended.wait()


async def _awaited(result: Awaitable[Any]) -> None:
    await result
