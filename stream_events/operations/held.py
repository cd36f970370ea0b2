"""Pending entries as people read them, and as orders do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

FATAL = 2**63 - 1  # what XNACK FATAL sets the delivery count to


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

    @property
    def is_fatal(self) -> bool:
        """Whether a consumer has said that nobody can handle it (XNACK FATAL, Redis 8.8)."""
        return self.delivery_count >= FATAL


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


class Holding(NamedTuple):
    """A pending entry, as far as an order has to know it."""

    entry_id: str
    owner: str
    delivery_count: int
