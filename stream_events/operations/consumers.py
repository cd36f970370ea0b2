"""Consumers of groups: whether they live, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import redis

from stream_events.connections import inspecting_client
from stream_events.keys import group_keys, stream_key
from stream_events.operations.members import WAITING, Member, ask_leases, leases, members, server_time
from stream_events.operations.names import key_prefix, raw, readable

_OURS = re.compile(r"(?P<host>.*)-(?P<pid>\d+)-[0-9a-f]{6}")  # as consuming.options makes them


class ConsumerState(StrEnum):
    RUNNING = "running"  # its lease is alive
    GONE = "gone"  # its lease ran out
    FOREIGN = "foreign"  # it has none: of another program
    WAITING = "waiting"  # no consumer, but the owner of entries that wait for a retry


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerInfo:
    """One consumer of a group; ``host`` and ``pid`` are those in its name, if it is of this package."""

    stream: str
    group: str
    name: str
    state: ConsumerState
    pending: int
    idle: timedelta  # since it last asked for entries
    inactive: timedelta | None  # since it last got any; None before Redis 7.2
    lease_left: timedelta | None
    host: str = ""
    pid: int | None = None
    oldest: str = ""  # the id of the first entry that it holds
    requeued: int = 0  # what it holds of the dead letters that were requeued to the group; not in ``pending``


def group_consumers(stream: str, group: str) -> list[ConsumerInfo]:
    """The consumers of ``group``: those that hold most first. A group that is not there has none."""
    return _of_groups([(stream, group)])


def consumers(streams: list[str]) -> list[ConsumerInfo]:
    """Those of all groups of ``streams``, in three round trips, group by group."""
    prefix = key_prefix()
    pipeline = inspecting_client().pipeline(transaction=False)
    for stream in streams:
        pipeline.xinfo_groups(raw(stream_key(stream, prefix)))
    return _of_groups(
        [
            (stream, readable(group["name"]))
            for stream, reply in zip(streams, pipeline.execute(raise_on_error=False), strict=True)
            if not _is_refused(reply)
            for group in reply
        ]
    )


def _of_groups(groups: Sequence[tuple[str, str]]) -> list[ConsumerInfo]:
    prefix = key_prefix()
    pipeline = inspecting_client().pipeline(transaction=False)
    pipeline.time()
    for stream, group in groups:
        keys = group_keys(stream, group, prefix)
        pipeline.xinfo_consumers(raw(keys.stream), raw(group))
        pipeline.xinfo_consumers(raw(keys.requeue), raw(group))
        ask_leases(pipeline, raw(keys.consumers))
    time, *replies = pipeline.execute(raise_on_error=False)
    now = server_time(time)
    found: list[ConsumerInfo] = []
    for at, (stream, group) in enumerate(groups):
        present, requeued, ends = ([] if _is_refused(one) else one for one in replies[3 * at : 3 * at + 3])
        held = {one["name"]: one["pending"] for one in requeued}
        mine = [_consumer(stream, group, one, held.get(one.name, 0)) for one in members(present, leases(ends, now))]
        found += sorted(mine, key=lambda one: (-one.pending - one.requeued, one.name))
    return _with_oldest(found, prefix)


def _is_refused(reply: Any) -> bool:
    """Whether there is no such key or group, or no stream; raises what else Redis or the connection say."""
    if isinstance(reply, redis.ResponseError) and not isinstance(reply, redis.exceptions.NoPermissionError):
        return True
    if isinstance(reply, Exception):
        raise reply
    return False


def _consumer(stream: str, group: str, member: Member, requeued: int) -> ConsumerInfo:
    name = readable(member.name)
    ours = _OURS.fullmatch(name) if member.lease is not None else None
    return ConsumerInfo(
        stream=stream,
        group=group,
        name=name,
        state=_state(member),
        pending=member.pending,
        idle=member.idle,
        inactive=member.inactive,
        lease_left=member.lease,
        host=ours["host"] if ours else "",
        pid=int(ours["pid"]) if ours else None,
        requeued=requeued,
    )


def _state(member: Member) -> ConsumerState:
    if member.name == WAITING:
        return ConsumerState.WAITING
    if member.lease is None:
        return ConsumerState.FOREIGN
    return ConsumerState.RUNNING if member.lease > timedelta(0) else ConsumerState.GONE


def _with_oldest(found: list[ConsumerInfo], prefix: str) -> list[ConsumerInfo]:
    holding = [one for one in found if one.pending]
    if not holding:
        return found
    pipeline = inspecting_client().pipeline(transaction=False)
    for one in holding:
        key = raw(stream_key(one.stream, prefix))
        pipeline.xpending_range(key, raw(one.group), "-", "+", 1, raw(one.name))
    replies = pipeline.execute(raise_on_error=False)
    oldest = {
        (one.stream, one.group, one.name): rows[0]["message_id"].decode()
        for one, rows in zip(holding, replies, strict=True)
        if not _is_refused(rows) and rows
    }
    return [replace(one, oldest=oldest.get((one.stream, one.group, one.name), "")) for one in found]
