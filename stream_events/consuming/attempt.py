"""One entry that is being handled, and what its handlers make of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from stream_events.consuming import policy
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.policy import Dead, Policy, Progress, Wait
from stream_events.events import REQUEUED_HANDLER, Entry, Event
from stream_events.registration import Handler

TRACEBACK_LIMIT = 8192  # characters of a traceback that a dead letter keeps: its end, where the cause is


@dataclass(frozen=True, slots=True)
class Letter:
    """Why an entry is dead, for one of its handlers or for all of them."""

    reason: str
    handler: Handler | None = None
    error: BaseException | str = ""
    deliveries: int = 0

    def fields(self, entry: Entry, consumer: str, original_id: str) -> dict[str, str | int]:
        """What a dead letter has beside the fields of its entry."""
        error = self.error
        lines = traceback.format_exception(error) if isinstance(error, BaseException) else []
        fields: dict[str, str | int] = {
            "dead_reason": self.reason,
            "dead_error": f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else error,
            "dead_traceback": "".join(lines)[-TRACEBACK_LIMIT:],
            "dead_handler": self.handler.name if self.handler else "",
            "dead_delivery_count": self.deliveries or entry.delivery_count,
            "dead_entry_id": original_id,
            "dead_consumer": consumer,
            "dead_at": datetime.now(UTC).isoformat(),
        }
        return {name: _encodable(value) for name, value in fields.items() if value != ""}


@dataclass(slots=True)
class Attempt:
    """One start of ``entry``.

    ``saved`` says that something of an earlier start is kept on the server.
    """

    entry: Entry
    event: Event
    progress: Progress = field(default_factory=Progress)
    saved: bool = False
    letters: list[Letter] = field(default_factory=list)
    wanted: Sequence[Handler] = ()
    ready: list[Handler] = field(default_factory=list)

    def begin(self, dispatcher: Dispatcher, decide: Policy, unhandled: str) -> None:
        """Find the handlers that are to be called now, which are ``ready`` from then on."""
        name = self.event.headers.get(REQUEUED_HANDLER)
        self.wanted = dispatcher.named(name) if name else dispatcher.wanted(self.event)
        if not self.wanted and (name or unhandled == "dead"):
            text = f"There is no handler {name!r}." if name else "No handler wants this event."
            self.letters.append(Letter(policy.UNHANDLED, error=text))
        if len(self.wanted) == 1 and not self.saved:
            self.ready = list(self.wanted)
        else:
            self.ready = self.progress.ready(self.wanted, time.time())
        if self.entry.delivery_count > 1:
            self.ready = [handler for handler in self.ready if not self._has_crashed(handler, decide)]

    def event_for(self, handler: Handler) -> Event:
        deliveries = self.progress.deliveries(handler, self.entry.delivery_count)
        if deliveries == self.event.delivery_count:
            return self.event
        return replace(self.event, delivery_count=deliveries)

    def note(self, handler: Handler, error: BaseException | None, decide: Policy) -> None:
        """The handler has returned, or raised ``error``: it is not ready any more."""
        self.ready.remove(handler)
        if error is None:
            self.progress.finish(handler)
            return
        deliveries = self.progress.deliveries(handler, self.entry.delivery_count)
        match decide.after_failure(handler, error, deliveries):
            case Wait(delay):
                self.progress.postpone(handler, time.time() + delay)
            case Dead(reason):
                self.letters.append(Letter(reason, handler, error, deliveries))

    def delay(self) -> float | None:
        """Seconds until the entry is wanted again; None if no handler waits."""
        return self.progress.wait(time.time()) if self.progress.due else None

    def state(self) -> bytes:
        """What the server has to keep for the next start; nothing if there is a single handler."""
        return self.progress.dump() if len(self.wanted) > 1 else b""

    def _has_crashed(self, handler: Handler, decide: Policy) -> bool:
        deliveries = self.progress.deliveries(handler, self.entry.delivery_count)
        if not decide.has_crashed_too_often(handler, deliveries):
            return False
        text = f"The process ended each time while the handler ran; it was started {deliveries - 1} times."
        self.letters.append(Letter(policy.CRASHED, handler, text, deliveries - 1))
        return True


def _encodable(value: str | int) -> str | int:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
