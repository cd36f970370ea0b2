"""From an entry to the calls of its handlers."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from asgiref.sync import async_to_sync

from stream_events.events import Entry, Event
from stream_events.exceptions import EventDecodeError
from stream_events.registry import Handler

logger = logging.getLogger("stream_events")


class Dispatcher:
    """Calls ``handlers``, which are those of one stream and group."""

    def __init__(self, stream: str, group: str, handlers: Sequence[Handler]) -> None:
        self.stream = stream
        self.group = group
        self._handlers = handlers
        self._by_kind: dict[tuple[str, str], tuple[Handler, ...]] = {}

    def dispatch(self, entry: Entry) -> bool:
        """Call every handler that wants the event in ``entry``; True when the entry is done with.

        A handler that raises is logged with its traceback and keeps none of the others from being called.
        """
        try:
            event = Event.from_entry(entry, stream=self.stream, group=self.group)
        except EventDecodeError as error:
            logger.error("entry_not_decoded stream=%s group=%s error=%r", self.stream, self.group, str(error))
            return False
        done = True
        for handler in self._wanted(event.obj_type, event.action):
            try:
                result = handler.func(event)
                if result is not None and inspect.isawaitable(result):
                    _wait_for(result)
            # The last two are no Exceptions, and no reason for the consumer to end.
            except (Exception, SystemExit, asyncio.CancelledError):
                logger.exception(
                    "handler_failed stream=%s group=%s handler=%s entry_id=%s event_id=%s delivery_count=%s",
                    self.stream,
                    self.group,
                    handler.name,
                    event.entry_id,
                    event.event_id,
                    event.delivery_count,
                )
                done = False
        return done

    def _wanted(self, obj_type: str, action: str) -> tuple[Handler, ...]:
        try:
            return self._by_kind[obj_type, action]
        except KeyError:
            wanted = tuple(handler for handler in self._handlers if handler.matches(obj_type, action))
            if len(self._by_kind) < 1000:  # kinds come from the wire: remember many, but not without end
                self._by_kind[obj_type, action] = wanted
            return wanted


# Django's bridge runs a coroutine's ORM calls in this thread, and so on this thread's connections.
@async_to_sync
async def _wait_for(result: Awaitable[Any]) -> None:
    await result
