"""``EventsConsumer``: handles every event of one stream, for programs that need no group."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from typing import Any, Self

from stream_events.cause import current_cause
from stream_events.conf import settings_for
from stream_events.consuming.place import NOTHING
from stream_events.consuming.position import MemoryPosition, Position
from stream_events.consuming.running import Running
from stream_events.consuming.tail import ATTEMPTS, Tail
from stream_events.events import Event
from stream_events.exceptions import ConfigurationError
from stream_events.registration import Handler, HandlerFunction, dotted_path, make_handler

logger = logging.getLogger("stream_events")


class EventsConsumer:
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
        self._running = Running(self._tail.run)
        self._running.name = f"stream_events-{self._tail.name}"
        self._begun = self._in_thread = False
        self._caller: int | None = None  # the thread that is in ``run``, or whose event loop is in ``main``

    def __enter__(self) -> Self:
        self.start_in_thread()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def handle_event(self, payload: dict[str, Any]) -> Any:
        """What to do with the payload of each event, in a subclass; may be async."""
        raise NotImplementedError

    def run(self) -> None:
        """Handle events in the calling thread until ``stop`` is called.

        Raises ``ConfigurationError`` for a key that is no stream, and a position that cannot be read or saved.
        """
        self._begin()
        self._running.do()
        self._running.future.result()

    async def main(self) -> None:
        """Handle events until ``stop`` is called or the task that awaits this is cancelled; raises what ``run`` does.

        Async handlers run on the loop that awaits this, others in a thread beside it. When it is cancelled, what
        is being handled is finished first.
        """
        self._begin()
        self._tail.loop.use(asyncio.get_running_loop())
        self._running.start()
        ended: asyncio.Future[Any] = asyncio.wrap_future(self._running.future)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            self._tail.stop()
            await asyncio.wait([ended])
            ended.exception()  # or asyncio would complain that nobody has asked for it
            raise

    def start_in_thread(self) -> threading.Thread:
        """Handle events in a thread, which is returned and has been started.

        A daemon: the program ends without waiting for it. Call ``stop`` before, to have it finish what it handles.
        """
        self._begin()
        self._caller, self._in_thread = None, True
        self._running.future.add_done_callback(self._log_error)
        self._running.start()
        return self._running

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the event that is being handled, and wait until that is done, ``timeout`` seconds at most.

        True when it has ended. Where it was started with ``start_in_thread``, raises what has ended its thread. May be
        called from any thread. It does not wait where that would be for ever: in a handler of this consumer, in the
        thread that is in ``run`` (a signal handler), and on the event loop that awaits ``main``.
        """
        self._tail.stop()
        future = self._running.future
        if self._begun and not self._is_called_from_within():
            concurrent.futures.wait([future], timeout)
        if self._in_thread and future.done():
            self._running.join(timeout)
            future.result()
        return future.done() or not self._begun

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

    def _begin(self) -> None:
        if self._begun:
            raise RuntimeError(f"This consumer of {self.stream!r} has run before; make another one.")
        self._begun = True
        self._caller = threading.get_ident()

    def _is_called_from_within(self) -> bool:
        cause = current_cause()
        return (cause is not None and cause.handler is self._handler) or threading.get_ident() == self._caller

    def _log_error(self, future: concurrent.futures.Future[Any]) -> None:
        if error := future.exception():
            logger.error("events_consumer_died stream=%s", self.stream, exc_info=error)
