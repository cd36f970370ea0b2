"""Pending entries of a group: what state each is in, and why it failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stream_events.operations.pages import DEFAULT_BUDGET, Budget, Page


class EntryState(StrEnum):
    """What a pending entry is doing."""

    PROCESSING = "processing"  # a living consumer holds it
    WAITING = "waiting"  # for a retry, which is due later
    OVERDUE = "overdue"  # its retry was due long ago, or its consumer holds it for longer than a handler may run
    ABANDONED = "abandoned"  # its consumer is gone, and nobody has adopted it yet
    RELEASED = "released"  # it has no owner (XNACK, Redis 8.8)
    DELETED = "deleted"  # the stream was trimmed while it was pending: there is nothing left to handle


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """One entry that was handed to a consumer and not acknowledged.

    ``owner`` is what Redis says, ``consumer`` the same for people: empty while the entry waits. ``due_at`` is None
    unless it waits. ``fields`` is None once the entry was deleted. ``error`` is the last failure in one line, and
    ``traceback`` its end; both are empty if it has not failed.
    """

    entry_id: str
    added_at: datetime
    state: EntryState
    owner: str
    consumer: str
    due_at: datetime | None
    idle: timedelta
    delivery_count: int
    fields: dict[bytes, bytes] | None
    error: str = ""
    traceback: str = ""
    handlers: tuple[str, ...] = ()  # that failed, where several want the entry


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFilter:
    """Which pending entries; every part that is given has to hold."""

    consumer: str = ""
    state: EntryState | None = None
    min_idle: timedelta | None = None
    min_deliveries: int | None = None
    error: str = ""  # contained in the last failure, upper and lower case alike
    since: str = ""  # an entry id, included
    until: str = ""  # an entry id, included


EVERY = PendingFilter()


def pending_entries(
    stream: str,
    group: str,
    where: PendingFilter = EVERY,
    *,
    after: str = "",
    size: int = 50,
    budget: Budget = DEFAULT_BUDGET,
    requeued: bool = False,
) -> Page[PendingEntry]:
    """Up to ``size`` pending entries that follow the entry id ``after``, oldest first.

    With ``requeued``, of the dead letters that were requeued to this group. A group that is not there has an empty
    page. No command takes longer than a page of a thousand rows does.
    """
    raise NotImplementedError


def pending_entry(stream: str, group: str, entry_id: str, *, requeued: bool = False) -> PendingEntry | None:
    """One pending entry; None if it is not pending."""
    raise NotImplementedError
