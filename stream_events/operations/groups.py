"""What there is to know of many groups at once, and how each of them fares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import redis

from stream_events.conf import get_settings
from stream_events.connections import explain, inspecting_client
from stream_events.consuming.replies import follows, is_group_gone
from stream_events.events import entry_time
from stream_events.keys import TOMBSTONE, group_keys
from stream_events.operations.members import WAITING, Member, ask_leases, leases, members, server_time
from stream_events.operations.names import key_prefix, raw, readable
from stream_events.operations.places import NOTHING
from stream_events.operations.states import LATE, GroupState, Health, StreamState

_ASKED = 7  # commands for each group


def group_from(stream: str, name: str, row: dict[str, Any] | None, *, is_registered: bool, length: int) -> GroupState:
    """The group as XINFO GROUPS describes it in ``row``; None stands for one that is not there."""
    if row is None:
        return GroupState(stream=stream, name=name, exists=False, is_registered=is_registered, lag=length)
    return GroupState(
        stream=stream,
        name=name,
        pending=row["pending"],
        lag=row.get("lag"),
        is_registered=is_registered,
        last_delivered_id=row["last-delivered-id"].decode(),
        entries_read=row.get("entries-read"),
    )


def looked_at(groups: Sequence[tuple[StreamState, GroupState]]) -> list[GroupState]:
    """``groups`` with all that their other keys tell, and their health, in one round trip."""
    if not groups:
        return []
    prefix = key_prefix()
    pipeline = inspecting_client().pipeline(transaction=False)
    pipeline.time()
    for _, group in groups:
        _ask(pipeline, group, prefix)
    time, *replies = pipeline.execute(raise_on_error=False)
    if isinstance(time, Exception):
        raise time
    now = server_time(time)
    return [
        _judged(stream, _told(stream, group, replies[_ASKED * at : _ASKED * (at + 1)], now))
        for at, (stream, group) in enumerate(groups)
    ]


def _ask(pipeline: Any, group: GroupState, prefix: str) -> None:
    keys = group_keys(group.stream, group.name, prefix)
    key, name = raw(keys.stream), raw(group.name)
    pipeline.xinfo_consumers(key, name)
    ask_leases(pipeline, raw(keys.consumers))
    pipeline.xpending_range(key, name, "-", "+", 1)
    pipeline.xrange(key, f"({group.last_delivered_id or NOTHING}", "+", 1)
    pipeline.xlen(raw(keys.dead))
    pipeline.xlen(raw(keys.requeue))
    pipeline.get(raw(keys.cursor))


def _told(stream: StreamState, group: GroupState, replies: Sequence[Any], now: float) -> tuple[GroupState, bool]:
    """The group with what the replies tell, and whether somebody is at work in it."""
    problems = [explain(one) for one in replies if isinstance(one, Exception) and not _is_absent(one, stream)]
    consumers, ends, oldest, unread, dead, requeued, cursor = (
        None if isinstance(one, Exception) else one for one in replies
    )
    present = [one for one in members(consumers or [], leases(ends or [], now)) if one.name != WAITING]
    running = [one for one in present if one.lease and one.lease > timedelta(0)]
    told = replace(
        group,
        is_deleted=cursor == TOMBSTONE.encode(),
        waiting=sum(one["pending"] for one in consumers or [] if one["name"] == WAITING),
        oldest_pending_id=oldest[0]["message_id"].decode() if oldest else "",
        dead=dead or 0,
        requeued=requeued or 0,
        consumers=sum(one["name"] != WAITING for one in consumers or []),
        running=len(running),
        problem=" ".join(dict.fromkeys(problems)),
        **_behind(stream, group, unread, cursor, now),
    )
    if present and not running:
        last = min(present, key=_seen)
        told = replace(told, last_consumer=readable(last.name), last_seen=_seen(last))
    claim_idle = get_settings().claim_idle
    return told, any(one.is_alive(claim_idle) for one in present)


def _behind(stream: StreamState, group: GroupState, unread: Any, cursor: Any, now: float) -> dict[str, Any]:
    """``lag`` and ``time_lag``, as far as they can be known."""
    if (unread is None and stream.exists) or (not group.exists and cursor):  # it would begin elsewhere, or not at all
        return {"lag": None, "time_lag": None}
    if not unread:
        return {"lag": 0, "time_lag": timedelta(0)}
    age = timedelta(milliseconds=now) - (entry_time(unread[0][0].decode()) - entry_time(NOTHING))
    lag = None if group.lag is None else min(max(group.lag, 1), max(stream.length, 1))
    return {"lag": lag, "time_lag": max(age, timedelta(0))}


def _judged(stream: StreamState, told: tuple[GroupState, bool]) -> GroupState:
    group, is_manned = told
    return replace(group, health=_health(stream, group, is_manned))


def _health(stream: StreamState, group: GroupState, is_manned: bool) -> Health:
    has_unread = bool(group.time_lag) or bool(group.lag)
    if group.problem:
        return Health.BROKEN
    if group.is_deleted and not group.exists:
        return Health.IDLE
    if not is_manned and (has_unread or group.pending or group.requeued):
        return Health.STALLED
    if group.dead or group.waiting:
        return Health.FAILING
    if group.time_lag and group.time_lag > LATE:
        return Health.BEHIND
    if not group.exists or _has_never_had_entries(stream):
        return Health.IDLE
    return Health.OK


def _has_never_had_entries(stream: StreamState) -> bool:
    return not stream.exists or not follows(stream.last_id, NOTHING)


def _seen(member: Member) -> timedelta:
    """How long ago the consumer gave a sign of life: it read, or its lease was still good."""
    if member.lease is None:
        return member.idle
    return min(member.idle, max(timedelta(0), -member.lease))


def _is_absent(error: Exception, stream: StreamState) -> bool:
    return isinstance(error, redis.RedisError) and (is_group_gone(error) or not stream.exists)
