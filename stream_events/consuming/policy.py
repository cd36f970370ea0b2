"""What becomes of an entry: decisions without Redis, clocks or threads."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stream_events.conf import Settings
from stream_events.exceptions import Reject, Retry, seconds
from stream_events.registration import Handler

logger = logging.getLogger("stream_events")

LONGEST_BACKOFF = 600.0  # seconds
JITTER = 0.2  # so that what failed together does not come back together

# Why an entry is a dead letter.
UNDECODABLE = "undecodable"
OVERSIZED = "oversized"
UNHANDLED = "unhandled"
REJECTED = "rejected"
MAX_DELIVERIES = "max_deliveries"
CRASHED = "crashed"  # the process ended each time while the handler ran
TRIMMED = "trimmed"
OPERATOR = "operator"

REASONS = (MAX_DELIVERIES, REJECTED, CRASHED, UNDECODABLE, OVERSIZED, UNHANDLED, TRIMMED, OPERATOR)


@dataclass(frozen=True, slots=True)
class Wait:
    """The handler is to be called again, after ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Dead:
    """The handler is not to be called again."""

    reason: str


class Policy:
    """Decides for the handlers of one group; what a handler leaves open is taken from ``settings``."""

    def __init__(self, settings: Settings, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._settings = settings
        self._jitter = jitter

    def after_failure(self, handler: Handler, error: BaseException, deliveries: int) -> Wait | Dead:
        """What follows when the handler has raised ``error`` at its start number ``deliveries``."""
        if isinstance(error, Reject):
            return Dead(REJECTED)
        if deliveries >= self.max_deliveries(handler):
            return Dead(MAX_DELIVERIES)
        if isinstance(error, Retry) and error.after is not None:
            return Wait(error.after)
        return Wait(self.backoff(handler, deliveries))

    def has_crashed_too_often(self, handler: Handler, deliveries: int) -> bool:
        """Whether a handler at its start number ``deliveries`` must not be called any more.

        A failure at the limit makes a dead letter, so a start beyond it means that processes ended in the handler.
        """
        return deliveries > self.max_deliveries(handler)

    def max_deliveries(self, handler: Handler) -> int:
        return handler.max_deliveries or self._settings.max_deliveries

    def backoff(self, handler: Handler, deliveries: int) -> float:
        """Seconds before the next try: doubled each time, with jitter, or what the handler's own function says."""
        if callable(handler.backoff):
            try:
                return seconds(handler.backoff(deliveries))
            except Exception:
                logger.exception("backoff_failed handler=%s: using the setting BACKOFF", handler.name)
        first = handler.backoff if isinstance(handler.backoff, int | float) else self._settings.backoff
        delay = min(first * 2.0 ** min(deliveries - 1, 60), LONGEST_BACKOFF)
        return min(delay * self._jitter(1 - JITTER, 1 + JITTER), LONGEST_BACKOFF)


@dataclass(slots=True)
class Progress:
    """What the handlers of one entry have made of it so far, for entries that several handlers want.

    All of them share Redis's delivery counter of the entry; ``skipped`` is how often a handler was passed over
    because it was not due, so that nobody pays for the failures of others.
    """

    finished: set[str] = field(default_factory=set)
    due: dict[str, float] = field(default_factory=dict)  # by handler, in seconds since the epoch
    skipped: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, raw: bytes) -> Progress:
        if not raw:
            return cls()
        known = json.loads(raw)
        return cls(set(known["finished"]), known["due"], known["skipped"])

    def copy(self) -> Progress:
        return Progress(set(self.finished), dict(self.due), dict(self.skipped))

    def dump(self) -> bytes:
        return json.dumps({"finished": sorted(self.finished), "due": self.due, "skipped": self.skipped}).encode()

    @property
    def is_blank(self) -> bool:
        return not (self.finished or self.due or self.skipped)

    def deliveries(self, handler: Handler, entry_deliveries: int) -> int:
        """How often the handler was started, of so many starts of the entry."""
        return entry_deliveries - self.skipped.get(handler.name, 0)

    def split(self, handlers: Iterable[Handler], now: float) -> tuple[list[Handler], list[Handler]]:
        """Those of ``handlers`` that are to be called now, and those that wait for longer.

        The one that is due first is called in any case: the entry has come back for its sake.
        """
        wanting = [handler for handler in handlers if handler.name not in self.finished]
        due = {handler.name: self.due.get(handler.name, 0.0) for handler in wanting}
        until = max(now, min(due.values(), default=now))
        ready = [handler for handler in wanting if due[handler.name] <= until]
        return ready, [handler for handler in wanting if due[handler.name] > until]

    def finish(self, handler: Handler) -> None:
        self.finished.add(handler.name)

    def postpone(self, handler: Handler, until: float) -> None:
        self.due[handler.name] = until

    def pass_over(self, handler: Handler) -> None:
        self.skipped[handler.name] = self.skipped.get(handler.name, 0) + 1
