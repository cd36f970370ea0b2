"""What Redis holds: streams, their groups, and what is pending. Every look is bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import redis

from stream_events.conf import get_settings
from stream_events.connections import inspecting_client
from stream_events.events import PAYLOAD, entry_time
from stream_events.keys import RETRY_OWNER, group_keys, stream_key
from stream_events.publishing.publisher import publishers
from stream_events.registry import handlers


class Health(StrEnum):
    """Of a group, from best to worst; that of a stream is that of its worst group."""

    OK = "ok"
    IDLE = "idle"  # it is registered, and has nothing to do yet
    BEHIND = "behind"  # its time lag is more than a minute
    FAILING = "failing"  # entries wait for a retry after a failure, or there are dead letters
    STALLED = "stalled"  # there is something to do, and no consumer runs
    BROKEN = "broken"  # Redis does not say what it should, such as for a key that holds no stream


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingState:
    """One entry that was handed to a consumer and not acknowledged.

    ``consumer`` is empty while the entry waits for a retry; ``due_at`` is when that comes, None if nobody knows.
    ``payload`` is None once the entry was trimmed.
    """

    entry_id: str
    added_at: datetime
    consumer: str
    due_at: datetime | None
    idle: timedelta
    delivery_count: int
    payload: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPage:
    """A page of the pending list, oldest first; ``after`` is where the next one begins."""

    entries: tuple[PendingState, ...]
    total: int
    after: str | None


def known_streams() -> list[str]:
    """Streams that models of this project publish to, or that have handlers."""
    declared = {publisher.stream for publisher in publishers if publisher.attachments}
    return sorted(declared | handlers.streams())


def server_version() -> str:
    """Name and version of the server; Valkey reports its own beside the Redis version it is compatible with."""
    info = inspecting_client().info("server")
    name = str(info.get("server_name", "redis"))
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


def stream_states(streams: Iterable[str]) -> list[StreamState]:
    """The state of ``streams``, in one round trip."""
    names = list(streams)
    prefix = get_settings().key_prefix
    pipeline = inspecting_client().pipeline(transaction=False)
    for name in names:
        pipeline.xinfo_stream(stream_key(name, prefix))
        pipeline.xinfo_groups(stream_key(name, prefix))
    replies = pipeline.execute(raise_on_error=False)
    return [_stream_state(name, *replies[2 * at : 2 * at + 2]) for at, name in enumerate(names)]


def group_state(stream: str, group: str) -> GroupState:
    """The state of one group of ``stream``."""
    groups = stream_states([stream])[0].groups
    missing = GroupState(stream=stream, name=group, exists=False)
    return next((state for state in groups if state.name == group), missing)


def pending_page(stream: str, group: str, *, after: str = "", size: int = 100) -> PendingPage:
    """Up to ``size`` pending entries of ``group`` that follow the entry id ``after``.

    Costs what it shows, however long the list is. A group that is not there has an empty page.
    """
    client = inspecting_client()
    keys = group_keys(stream, group, get_settings().key_prefix)
    key = keys.stream
    try:
        total = int(client.xpending(key, group)["pending"])
        start = f"({after}" if after else "-"
        rows = client.xpending_range(key, group, start, "+", size + 1)
    except redis.ResponseError as error:
        if str(error).startswith("NOGROUP"):
            return PendingPage(entries=(), total=0, after=None)
        raise
    shown = rows[:size]
    pipeline = client.pipeline(transaction=False)
    for row in shown:
        pipeline.xrange(key, row["message_id"], row["message_id"])
        pipeline.zscore(keys.retry, row["message_id"])
    found = pipeline.execute()
    entries = tuple(map(_pending_state, shown, found[::2], found[1::2]))
    return PendingPage(entries=entries, total=total, after=entries[-1].entry_id if len(rows) > size else None)


def _stream_state(name: str, info: Any, groups: Any) -> StreamState:
    registered = {group for stream, group in handlers.groups() if stream == name}
    if isinstance(info, redis.ResponseError):
        absent = "no such key" in str(info)
        missing = tuple(GroupState(stream=name, name=one, exists=False) for one in sorted(registered))
        return StreamState(name=name, exists=False, groups=missing, problem="" if absent else str(info))
    if isinstance(groups, Exception):
        groups = []
    found = {state.name: state for state in (_group_state(name, group) for group in groups)}
    for one in registered - found.keys():
        found[one] = GroupState(stream=name, name=one, exists=False, lag=info["length"])
    last_id = info["last-generated-id"].decode()
    return StreamState(
        name=name,
        exists=True,
        length=info["length"],
        last_entry_at=None if last_id == "0-0" else entry_time(last_id),
        groups=tuple(found[one] for one in sorted(found)),
        added=info.get("entries-added"),
    )


def _group_state(stream: str, group: dict[str, Any]) -> GroupState:
    return GroupState(
        stream=stream,
        name=group["name"].decode("utf-8", "replace"),
        pending=group["pending"],
        lag=group.get("lag"),
        entries_read=group.get("entries-read"),
    )


def _pending_state(
    row: dict[str, Any], found: list[tuple[bytes, dict[bytes, bytes]]], due: float | None
) -> PendingState:
    entry_id = row["message_id"].decode()
    is_waiting = row["consumer"] == RETRY_OWNER.encode()
    payload = found[0][1].get(PAYLOAD, b"").decode("utf-8", "replace") if found else None
    return PendingState(
        entry_id=entry_id,
        added_at=entry_time(entry_id),
        consumer="" if is_waiting else row["consumer"].decode("utf-8", "replace"),
        due_at=datetime.fromtimestamp(due / 1000, tz=UTC) if is_waiting and due else None,
        idle=timedelta(milliseconds=row["time_since_delivered"]),
        delivery_count=row["times_delivered"],
        payload=payload,
    )
