"""Which event is being handled: whatever is published meanwhile was caused by it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from stream_events.events import CORRELATION_ID, Event
from stream_events.registration import Handler


@dataclass(frozen=True, slots=True)
class Cause:
    """One event, and the handler that was called for it."""

    event: Event
    handler: Handler

    @property
    def correlation_id(self) -> str:
        """What all events that follow from the first one share."""
        return self.event.headers.get(CORRELATION_ID) or self.event.event_id


_current: ContextVar[Cause | None] = ContextVar("stream_events_cause", default=None)

current_cause = _current.get


@contextlib.contextmanager
def handling(handler: Handler, events: Sequence[Event]) -> Iterator[None]:
    """Say that ``handler`` is being called for ``events``. Several events of a batch are nobody's cause."""
    token = _current.set(Cause(events[0], handler) if len(events) == 1 else None)
    try:
        yield
    finally:
        _current.reset(token)
