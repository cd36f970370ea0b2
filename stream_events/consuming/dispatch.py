"""From an entry to the calls of its handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import async_to_sync

from stream_events.events import Entry, Event
from stream_events.exceptions import EventDecodeError
from stream_events.registry import Handler

logger = logging.getLogger("stream_events")

Call = Callable[[Event], Any]


class Dispatcher:
    """Calls ``handlers``, which are those of one stream and group."""

    def __init__(self, stream: str, group: str, handlers: Sequence[Handler]) -> None:
        self.stream = stream
        self.group = group
        # Django's bridge runs a coroutine's ORM calls in this thread, and so on this thread's connections.
        self._calls: list[tuple[Handler, Call]] = [
            (handler, async_to_sync(handler.func) if handler.is_async else handler.func) for handler in handlers
        ]
        self._by_kind: dict[tuple[str, str], tuple[tuple[Handler, Call], ...]] = {}

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
        for handler, call in self._wanted(event.obj_type, event.action):
            try:
                call(event)
            except (Exception, SystemExit):
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

    def _wanted(self, obj_type: str, action: str) -> tuple[tuple[Handler, Call], ...]:
        try:
            return self._by_kind[obj_type, action]
        except KeyError:
            wanted = tuple(pair for pair in self._calls if pair[0].matches(obj_type, action))
            if len(self._by_kind) < 1000:  # kinds come from the wire: remember many, but not without end
                self._by_kind[obj_type, action] = wanted
            return wanted
