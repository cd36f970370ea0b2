"""One entry that is being handled, and what its handlers make of it."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from stream_events.consuming import policy
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.policy import Dead, Policy, Progress, Wait
from stream_events.events import REQUEUED_ENTRY_ID, REQUEUED_HANDLER, Entry, Event
from stream_events.registration import Handler

ERROR_LIMIT = 8192  # characters of an error that a dead letter keeps
TRACEBACK_LIMIT = 8192  # and of its traceback: the end, where the cause is
WAITING_ERROR = 500  # and what is kept of an error while its entry waits
WAITING_TRACEBACK = 2000


@dataclass(frozen=True, slots=True)
class Letter:
    """Why an entry is dead, for one of its handlers or for all of them."""

    reason: str
    handler: Handler | None = None
    error: BaseException | str = ""
    deliveries: int = 0

    def fields(self, entry: Entry, consumer: str) -> dict[str, str | int]:
        """What a dead letter has beside the fields of its entry."""
        original = entry.fields.get(REQUEUED_ENTRY_ID.encode(), entry.entry_id.encode())
        # The others have handled what was requeued for one of them.
        only = entry.fields.get(REQUEUED_HANDLER.encode(), b"")
        fields: dict[str, str | int] = {
            "dead_reason": self.reason,
            "dead_error": _described(self.error)[:ERROR_LIMIT],
            "dead_traceback": _traceback(self.error),
            "dead_handler": self.handler.name if self.handler else only.decode(errors="replace"),
            "dead_delivery_count": self.deliveries or entry.starts,
            "dead_entry_id": original.decode(errors="replace"),
            "dead_consumer": consumer,
            "dead_at": datetime.now(UTC).isoformat(),
        }
        return {
            name: _encodable(value) if isinstance(value, str) else value
            for name, value in fields.items()
            if value != ""
        }


@dataclass(slots=True)
class Attempt:
    """One start of ``entry``; what its handlers did at earlier starts is in ``progress``."""

    entry: Entry
    event: Event
    progress: Progress = field(default_factory=Progress)
    letters: list[Letter] = field(default_factory=list)
    failed: list[Letter] = field(default_factory=list)  # what those say whose handlers are called again
    wanted: Sequence[Handler] = ()
    ready: list[Handler] = field(default_factory=list)  # still to be called at this start
    passed_over: list[Handler] = field(default_factory=list)  # not due yet

    def begin(self, dispatcher: Dispatcher, decide: Policy, unhandled: str) -> None:
        """Find the handlers that want the event, and those that are to be called now."""
        name = self.event.headers.get(REQUEUED_HANDLER)
        self.wanted = dispatcher.named(name) if name else dispatcher.wanted(self.event)
        if not self.wanted and (name or unhandled == "dead"):
            text = f"There is no handler {name!r}." if name else "No handler wants this event."
            self.letters.append(Letter(policy.UNHANDLED, error=text))
        if self.progress.is_blank:
            self.ready = list(self.wanted)
        else:
            self.ready, self.passed_over = self.progress.split(self.wanted, time.time())
            for handler in self.ready:
                self.progress.due.pop(handler.name, None)
        if self.entry.delivery_count > 1:
            self.ready = [handler for handler in self.ready if not self._has_crashed(handler, decide)]

    def event_for(self, handler: Handler) -> Event:
        deliveries = self.progress.deliveries(handler, self.entry.starts)
        if deliveries == self.event.delivery_count:
            return self.event
        return replace(self.event, delivery_count=deliveries)

    def note(self, handler: Handler, error: BaseException | None, decide: Policy) -> None:
        """The handler has returned, or raised ``error``: it is not ready any more."""
        self.ready.remove(handler)
        if error is None:
            self.progress.finish(handler)
            return
        deliveries = self.progress.deliveries(handler, self.entry.starts)
        match decide.after_failure(handler, error, deliveries):
            case Wait(delay):
                self.progress.postpone(handler, time.time() + delay)
                self.failed.append(Letter("", handler, error, deliveries))
            case Dead(reason):
                self.letters.append(Letter(reason, handler, error, deliveries))

    def delay(self) -> float | None:
        """Seconds until the first handler that waits is to be called again; None if none waits."""
        if not self.progress.due:
            return None
        due = [self.progress.due[handler.name] for handler in self.wanted if handler.name in self.progress.due]
        return max(0.0, min(due) - time.time()) if due else None

    def state(self, *, with_letters: bool = True) -> bytes:
        """What the server has to keep for the next start; nothing if there is a single handler.

        Handlers that got a dead letter count as finished, unless the letters were refused.
        """
        if len(self.wanted) < 2:
            return b""
        progress = self.progress.copy()
        for letter in self.letters:
            if letter.handler and with_letters:
                progress.finish(letter.handler)
        for handler in self.passed_over if with_letters else ():
            progress.pass_over(handler)
        return progress.dump()

    def interrupted_state(self) -> bytes:
        """The same for a start that does not count."""
        return self.progress.dump() if len(self.wanted) > 1 else b""

    def failure(self, *, with_letters: bool = False) -> bytes:
        """How the handlers failed that are called again; nothing if none did."""
        return failure([*self.failed, *(self.letters if with_letters else ())])

    def _has_crashed(self, handler: Handler, decide: Policy) -> bool:
        deliveries = self.progress.deliveries(handler, self.entry.starts)
        if not decide.has_crashed_too_often(handler, deliveries):
            return False
        text = f"The process ended each time while the handler ran; it was started {deliveries - 1} times."
        self.letters.append(Letter(policy.CRASHED, handler, text, deliveries - 1))
        return True


def failure(letters: Sequence[Letter]) -> bytes:
    """What the server keeps of the last failure of an entry while it waits."""
    if not letters:
        return b""
    last = letters[-1].error
    names = [letter.handler.name for letter in letters if letter.handler]
    text, trace = " ".join(_encodable(_described(last)).split()), _encodable(_traceback(last))
    kept = {"error": text[:WAITING_ERROR], "traceback": trace[-WAITING_TRACEBACK:], "handlers": names}
    return json.dumps(kept).encode()


def _described(error: BaseException | str) -> str:
    if isinstance(error, str):
        return error
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an error that cannot say what it is
        return type(error).__name__


def _traceback(error: BaseException | str) -> str:
    if isinstance(error, str):
        return ""
    return "".join(traceback.format_exception(error))[-TRACEBACK_LIMIT:]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
