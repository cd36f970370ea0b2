"""Streams and groups as they are at one moment, and how they fare."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LATE = timedelta(minutes=1)


class Health(StrEnum):
    """Of a group, from best to worst; that of a stream is that of its worst group."""

    OK = "ok"
    IDLE = "idle"  # it is registered, and has nothing to do yet
    BEHIND = "behind"  # its time lag is more than a minute
    FAILING = "failing"  # entries wait for a retry after a failure, or there are dead letters
    STALLED = "stalled"  # there is something to do, and no consumer runs
    BROKEN = "broken"  # Redis does not say what it should, such as for a key that holds no stream

    @property
    def rank(self) -> int:
        """0 is best."""
        return list(Health).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """One consumer group. ``lag`` is None where Redis does not know it: before 7.0, and after deletions.

    ``time_lag`` is the age of the first entry that it has not read, zero if there is none; None if unknown.
    """

    stream: str
    name: str
    pending: int = 0
    lag: int | None = None
    exists: bool = True
    health: Health = Health.OK
    is_registered: bool = False
    is_deleted: bool = False  # by an operator: its consumers do not make it again
    time_lag: timedelta | None = None
    waiting: int = 0  # pending entries that wait for a retry
    oldest_pending_id: str = ""
    dead: int = 0
    requeued: int = 0  # entries that were dead letters and are on their way again
    consumers: int = 0  # known to Redis
    running: int = 0  # with a living lease
    last_delivered_id: str = ""
    entries_read: int | None = None
    last_consumer: str = ""  # the one that was seen last, if none runs
    last_seen: timedelta | None = None  # how long ago that was
    problem: str = ""  # what Redis would not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """One stream and its groups, registered ones included that Redis has not seen yet."""

    name: str
    exists: bool
    length: int = 0
    last_entry_at: datetime | None = None
    groups: tuple[GroupState, ...] = ()
    health: Health = Health.OK
    is_declared: bool = True  # by a publisher or a handler of this project
    first_id: str = ""
    last_id: str = ""
    added: int | None = None  # entries that it ever got; None before Redis 7.0
    problem: str = ""  # why Redis would not tell, such as a key that holds no stream
