"""What Redis holds: streams and their groups. Every look is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import redis
from django.utils.translation import gettext as _

from stream_events.connections import explain, inspecting_client
from stream_events.events import entry_time
from stream_events.keys import stream_key
from stream_events.operations.discovery import discover_streams, known_streams
from stream_events.operations.groups import group_from, looked_at
from stream_events.operations.names import key_prefix, raw, readable
from stream_events.operations.places import NOTHING
from stream_events.operations.server import ServerFacts, server_facts, server_version
from stream_events.operations.states import GroupState, Health, StreamState
from stream_events.registry import handlers

__all__ = [
    "GroupState",
    "Health",
    "ServerFacts",
    "StreamState",
    "discover_streams",
    "group_state",
    "known_streams",
    "server_facts",
    "server_version",
    "stream_states",
]


def stream_states(streams: Iterable[str]) -> list[StreamState]:
    """The state of ``streams``, in two round trips."""
    names = list(streams)
    prefix, known = key_prefix(), set(known_streams())
    pipeline = inspecting_client().pipeline(transaction=False)
    for name in names:
        key = raw(stream_key(name, prefix))
        pipeline.xinfo_stream(key)
        pipeline.xinfo_groups(key)
        pipeline.type(key)
    replies = pipeline.execute(raise_on_error=False)
    states = [
        _stream_state(name, *replies[3 * at : 3 * at + 3], is_declared=name in known) for at, name in enumerate(names)
    ]
    found = iter(looked_at([(state, group) for state in states for group in state.groups]))
    for at, state in enumerate(states):
        groups = tuple(next(found) for _ in state.groups)
        states[at] = replace(state, groups=groups, health=_worst(state, groups))
    return states


def group_state(stream: str, group: str) -> GroupState:
    """The state of one group of ``stream``."""
    groups = stream_states([stream])[0].groups
    missing = GroupState(stream=stream, name=group, exists=False, health=Health.IDLE)
    return next((state for state in groups if state.name == group), missing)


def _stream_state(name: str, info: Any, groups: Any, kind: Any, *, is_declared: bool) -> StreamState:
    registered = {group for stream, group in handlers.groups() if stream == name}
    if isinstance(info, redis.ResponseError):
        missing = tuple(group_from(name, one, None, is_registered=True, length=0) for one in sorted(registered))
        problem = "" if "no such key" in str(info) else _problem(info, kind)
        return StreamState(name=name, exists=False, groups=missing, is_declared=is_declared, problem=problem)
    found = {readable(one["name"]): one for one in ([] if isinstance(groups, Exception) else groups)}
    last_id = info["last-generated-id"].decode()
    first = info.get("first-entry")
    return StreamState(
        name=name,
        exists=True,
        length=info["length"],
        last_entry_at=None if last_id == NOTHING else entry_time(last_id),
        groups=tuple(
            group_from(name, one, found.get(one), is_registered=one in registered, length=info["length"])
            for one in sorted(found.keys() | registered)
        ),
        is_declared=is_declared,
        first_id=first[0].decode() if first else "",
        last_id=last_id,
        added=info.get("entries-added"),
        problem=explain(groups) if isinstance(groups, Exception) else "",
    )


def _problem(error: redis.ResponseError, kind: Any) -> str:
    if "WRONGTYPE" in str(error) and isinstance(kind, bytes):
        return _("The key holds a %s, not a stream.") % kind.decode()
    return explain(error)


def _worst(state: StreamState, groups: Sequence[GroupState]) -> Health:
    if state.problem:
        return Health.BROKEN
    own = Health.OK if state.exists else Health.IDLE
    return max((own, *(group.health for group in groups)), key=lambda one: one.rank)
