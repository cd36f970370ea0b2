"""From an event to the calls of its handlers."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from stream_events.cause import handling
from stream_events.consuming.event_loop import EventLoop
from stream_events.consuming.inbox import SomeHandledBeforeError, handle_once
from stream_events.events import Event
from stream_events.exceptions import Reject, Retry
from stream_events.registration import Handler

logger = logging.getLogger("stream_events")

KNOWN_KINDS = 1000  # kinds of events come from the wire: remember many, but not without end


@dataclass(frozen=True, slots=True)
class Running:
    """A call that is under way, since that moment of this process's clock."""

    handler: Handler
    entry_id: str
    since: float


class Dispatcher:
    """Calls ``handlers``, which are those of one stream and group."""

    def __init__(self, handlers: Sequence[Handler], loop: EventLoop) -> None:
        self.handlers = handlers
        self.batch = max((handler.batch or 1 for handler in handlers), default=1)
        self._loop = loop
        self._by_kind: dict[tuple[str, str], tuple[Handler, ...]] = {}
        self._running: dict[int, Running] = {}

    def wanted(self, event: Event) -> tuple[Handler, ...]:
        """The handlers that want ``event``."""
        kind = (event.obj_type, event.action)
        try:
            return self._by_kind[kind]
        except KeyError:
            wanted = tuple(handler for handler in self.handlers if handler.matches(*kind))
            if len(self._by_kind) < KNOWN_KINDS:
                self._by_kind[kind] = wanted
                if not wanted:
                    text = "event_unhandled stream=%s group=%s obj_type=%r action=%r: no handler wants such events"
                    logger.warning(text, event.stream, event.group, *kind)
            return wanted

    def named(self, name: str) -> tuple[Handler, ...]:
        return tuple(handler for handler in self.handlers if handler.name == name)

    def running(self) -> list[Running]:
        """The calls that are under way; may be asked by any thread."""
        return list(self._running.values())

    def call(self, handler: Handler, events: Sequence[Event]) -> BaseException | None:
        """Call ``handler`` for one event, or for several if it takes batches; returns what it raised.

        That is logged with its traceback, but for what the handler has said itself. Nothing is logged of a batch
        that has to be tried again one by one.
        """
        thread = threading.get_ident()
        self._running[thread] = Running(handler, events[0].entry_id, time.monotonic())
        try:
            self._call(handler, events)
        except SomeHandledBeforeError as error:
            return error
        # The last two are no Exceptions, and no reason for the consumer to end.
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001
            self._log(handler, events, error)
            return error
        finally:
            del self._running[thread]
        return None

    def _call(self, handler: Handler, events: Sequence[Event]) -> None:
        if handler.once:
            if not handle_once(handler, events, lambda: self._invoke(handler, events)):
                logger.info("handled_before handler=%s event_id=%s", handler.name, events[0].event_id)
            return
        if handler.atomic:
            with transaction.atomic(using=handler.atomic):
                self._invoke(handler, events)
        else:
            self._invoke(handler, events)

    def _invoke(self, handler: Handler, events: Sequence[Event]) -> None:
        argument: Any = list(events) if handler.batch else events[0]
        with handling(handler, events):
            result = handler.func(argument)
            if result is not None and inspect.isawaitable(result):
                self._loop.wait_for(result)

    def _log(self, handler: Handler, events: Sequence[Event], error: BaseException) -> None:
        first = events[0]
        expected = isinstance(error, Retry | Reject)
        logger.log(
            logging.INFO if expected else logging.ERROR,
            "handler_failed stream=%s group=%s handler=%s entry_id=%s event_id=%s events=%s delivery_count=%s: %s",
            first.stream,
            first.group,
            handler.name,
            first.entry_id,
            first.event_id,
            len(events),
            first.delivery_count,
            error if expected else type(error).__name__,
            exc_info=None if expected else error,
        )
