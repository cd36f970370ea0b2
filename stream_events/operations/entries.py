"""Entries of a stream, and what every group has made of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stream_events.operations.pages import DEFAULT_BUDGET, Budget, Page
from stream_events.operations.pending import PendingEntry


class Delivery(StrEnum):
    """How far one group is with one entry."""

    UNREAD = "unread"
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"  # there is a dead letter of it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
    """One entry; ``delivery`` is that to the group that was asked for, if any."""

    entry_id: str
    added_at: datetime
    fields: dict[bytes, bytes]
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """One entry as one group sees it."""

    group: str
    delivery: Delivery
    pending: PendingEntry | None = None  # if it is pending
    dead_letter_id: str = ""  # if it is dead, as far as the group's newest dead letters tell


def stream_entries(
    stream: str,
    *,
    before: str = "",
    after: str = "",
    size: int = 50,
    group: str = "",
    contains: str = "",
    budget: Budget = DEFAULT_BUDGET,
) -> Page[StreamEntry]:
    """Up to ``size`` entries, newest first, older than the entry id ``before``; or oldest first, newer than ``after``.

    With ``group``, each with its delivery to it. ``contains`` is looked for in the fields. The page's ``after`` is the
    ``before`` (or ``after``) of the next one. A stream that is not there has an empty page.
    """
    raise NotImplementedError


def stream_entry(stream: str, entry_id: str) -> StreamEntry | None:
    """One entry; None if it is not there (any more)."""
    raise NotImplementedError


def entry_statuses(stream: str, entry_id: str) -> list[GroupStatus]:
    """What each group of ``stream`` has made of the entry, in the order of their names."""
    raise NotImplementedError


def place_at(moment: datetime) -> str:
    """The id that an entry added at ``moment`` could have first: where “go to time” goes."""
    raise NotImplementedError
