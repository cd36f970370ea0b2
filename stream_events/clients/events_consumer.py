"""``EventsConsumer``: handles every event of one stream, for programs that need no group."""

from __future__ import annotations

import asyncio
from typing import Any

from stream_events.clients.runnable import Runnable
from stream_events.conf import settings_for
from stream_events.consuming.place import NOTHING
from stream_events.consuming.position import MemoryPosition, Position
from stream_events.consuming.running import Running, finished
from stream_events.consuming.tail import ATTEMPTS, Tail
from stream_events.events import Event
from stream_events.exceptions import ConfigurationError
from stream_events.registration import Handler, HandlerFunction, dotted_path, make_handler


class EventsConsumer(Runnable):
    """Calls ``handler(event)``, plain or async, for every event of ``stream``; without one, ``handle_event``.

    It belongs to no group and acknowledges nothing: each such consumer gets all events, from ``start`` on (an entry
    id, ``"0-0"`` for all, ``"latest"`` for what is still to come), or from where ``position`` remembers it to be. With
    ``delete``, an entry is deleted once it was handled, for everybody.

    Events come in order and at least once: after a crash, those since the position was last saved come again. A
    handler that raises is called up to ``attempts`` times for an event, with growing pauses in which all others wait;
    then the event is passed over, which is logged. While Redis is away, it waits.

    One read takes up to ``count`` entries and waits for them up to ``block`` seconds. The server is the project's
    unless ``url`` is given. It runs once, in one of three ways: ``run()``, ``start_in_thread()`` or ``await main()``.
    Raises ``ConfigurationError`` for arguments that cannot be used.
    """

    def __init__(
        self,
        stream: str,
        handler: HandlerFunction | None = None,
        *,
        url: str | None = None,
        start: str = NOTHING,
        position: Position | None = None,
        delete: bool = False,
        count: int = 100,
        block: float = 2.0,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.stream = stream
        self._handler = self._make_handler(handler)
        self._tail = Tail(
            stream,
            [self._handler],
            settings=settings_for(url),
            start=start,
            position=position or MemoryPosition(),
            delete=delete,
            count=count,
            block=block,
            attempts=attempts,
        )
        super().__init__(self._tail, Running(self._tail.run))

    def handle_event(self, payload: dict[str, Any]) -> Any:
        """What to do with the payload of each event, in a subclass; may be async."""
        raise NotImplementedError

    async def main(self) -> None:
        """Handle events until ``stop`` is called or the task that awaits this is cancelled; raises what ``run`` does.

        Async handlers run on the loop that awaits this, others in a thread beside it. When it is cancelled, what
        is being handled is finished first.
        """
        self._begin()
        self._tail.loop.use(asyncio.get_running_loop())
        self._running.start()
        await finished(asyncio.wrap_future(self._running.future), self._tail.stop)

    def _make_handler(self, func: HandlerFunction | None) -> Handler:
        if func is not None:
            try:
                return make_handler(func, self.stream, None, {})
            except ConfigurationError as error:
                raise ConfigurationError(f"handler {dotted_path(func)}: {error}", error.hint) from error
        own = type(self).handle_event
        if own is EventsConsumer.handle_event:
            raise ConfigurationError("EventsConsumer needs a handler, or a subclass with handle_event(payload).")

        def handle(event: Event) -> Any:
            return self.handle_event(dict(event.payload))

        return make_handler(handle, self.stream, None, {"name": dotted_path(own)})
