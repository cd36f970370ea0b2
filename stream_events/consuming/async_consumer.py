"""``AsyncConsumer``: a consumer inside a program that has an event loop, such as an ASGI server."""

from __future__ import annotations

import asyncio
from typing import Any

from stream_events.consuming.consumer import Consumer
from stream_events.consuming.options import Report
from stream_events.consuming.running import Running, finished


class AsyncConsumer:
    """``Consumer``, awaited: async handlers run on the loop that awaits ``run``, others in threads beside it.

    Redis is read in a thread of its own. So a handler that blocks the loop costs the consumer neither its lease
    nor its acknowledgements. ``threads`` is how many events are handled at a time. Arguments and errors are those of
    ``Consumer``.
    """

    def __init__(self, stream: str, group: str, **options: Any) -> None:
        self._running = Running(lambda: self._consumer.run())
        self._consumer = Consumer(stream, group, **{"abandon": self._running.abandon, **options})
        self._running.name = f"stream_events-{self.name}"
        self._ended = asyncio.Event()
        self._ended.set()  # until it runs, there is nothing to wait for

    @property
    def name(self) -> str:
        return self._consumer.name

    async def run(self) -> Report:
        """Handle events until ``stop`` is called or a limit is reached.

        When the task that awaits this is cancelled, the consumer stops as ``stop`` stops it, and then the
        cancellation goes on.
        """
        self._ended.clear()
        self._consumer.loop.use(asyncio.get_running_loop())
        self._running.start()
        ended: asyncio.Future[Report] = asyncio.wrap_future(self._running.future)
        ended.add_done_callback(lambda _: self._ended.set())
        return await finished(ended, self._consumer.stop)

    async def stop(self) -> None:
        """Finish what is being handled, hand back the rest, and wait until ``run`` is over."""
        self._consumer.stop()
        await self._ended.wait()
