"""How far the performance of an order has come, and who performs it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.utils.translation import ngettext_lazy

from stream_events.exceptions import ConfigurationError
from stream_events.operations.numbers import counted
from stream_events.operations.orders import Order, Verb, plain

MOST_REASONS = 100  # that are kept, of what was skipped

# The same words in English; other languages have several.
_DONE = {
    Verb.ACK: ngettext_lazy("%(count)s acknowledged", "%(count)s acknowledged", "number"),
    Verb.CLAIM: ngettext_lazy("%(count)s claimed", "%(count)s claimed", "number"),
    Verb.RETRY: ngettext_lazy("%(count)s due now", "%(count)s due now", "number"),
    Verb.DEAD: ngettext_lazy("%(count)s made a dead letter", "%(count)s made dead letters", "number"),
    Verb.REQUEUE: ngettext_lazy("%(count)s requeued", "%(count)s requeued", "number"),
    Verb.DISCARD: ngettext_lazy("%(count)s discarded", "%(count)s discarded", "number"),
    Verb.REPLAY: ngettext_lazy("%(count)s appended again", "%(count)s appended again", "number"),
    Verb.RESET: ngettext_lazy("%(count)s group moved", "%(count)s groups moved", "number"),
    Verb.TRIM: ngettext_lazy("%(count)s entry deleted", "%(count)s entries deleted", "number"),
    Verb.DELETE_CONSUMER: ngettext_lazy("%(count)s consumer deleted", "%(count)s consumers deleted", "number"),
    Verb.DELETE_GROUP: ngettext_lazy("%(count)s group deleted", "%(count)s groups deleted", "number"),
    Verb.DELETE_STREAM: ngettext_lazy("%(count)s stream deleted", "%(count)s streams deleted", "number"),
    Verb.PUBLISH: ngettext_lazy("%(count)s published", "%(count)s published", "number"),
}
_SKIPPED = ngettext_lazy("%(count)s skipped", "%(count)s skipped", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One target that was left alone, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who orders: ``name`` is a user's, or that of the system's user and host on the command line."""

    name: str
    via: str  # “admin” or “command line”


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much one slice does at most."""

    rows: int = 2000
    seconds: float = 3.0


DEFAULT_LIMIT = Limit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a performance has come: all slices together. ``place`` is where to go on, None when it is complete."""

    order: Order
    batch: str = ""  # names the slices that belong together, in the audit
    place: str | None = ""
    done: int = 0
    skipped: int = 0
    scanned: int = 0
    total: int | None = None  # of ``scanned``
    reasons: tuple[Skipped, ...] = ()  # the first of those that were skipped
    lines: tuple[str, ...] = ()  # what else there is to say, such as the id of what was published

    @property
    def is_complete(self) -> bool:
        return self.place is None

    @classmethod
    def load(cls, text: str) -> Progress:
        """As ``Order.load``."""
        known = plain(text, "progress")
        try:
            return cls(
                order=Order.from_plain(known["order"]),
                batch=str(known["batch"]),
                place=None if known["place"] is None else str(known["place"]),
                done=int(known["done"]),
                skipped=int(known["skipped"]),
                scanned=int(known["scanned"]),
                total=None if known["total"] is None else int(known["total"]),
                reasons=tuple(Skipped(id=str(one), reason=str(why)) for one, why in known["reasons"]),
                lines=tuple(map(str, known["lines"])),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise ConfigurationError(f"This is no progress: {error!r}. Give what dump() wrote.") from error

    def dump(self) -> str:
        """As ``Order.dump``: what a later ``perform`` needs to go on, in another process too."""
        known = {
            "order": self.order.to_plain(),
            "batch": self.batch,
            "place": self.place,
            "done": self.done,
            "skipped": self.skipped,
            "scanned": self.scanned,
            "total": self.total,
            "reasons": [[one.id, one.reason] for one in self.reasons],
            "lines": self.lines,
        }
        return json.dumps(known, separators=(",", ":"))

    def report(self) -> str:
        """“18 acknowledged · 2 skipped”."""
        parts = [counted(_DONE[self.order.verb], self.done)]
        if self.skipped:
            parts.append(counted(_SKIPPED, self.skipped))
        return " · ".join(parts)
