"""``manage.py streams status``: every stream in one line, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from stream_events.conf import get_settings
from stream_events.connections import safe_url
from stream_events.management.streams.display import iso, length, number, seconds, since
from stream_events.management.streams.names import find_streams
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import add_flags, add_names, show
from stream_events.operations.inspection import GroupState, Health, StreamState, server_version

HELP = "Shows every stream in one line, worst health first, and what is wrong with it."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, stream="only this one (default: those that the project declares)")
    parser.add_argument("--discover", action="store_true", help="other streams in Redis as well")
    add_flags(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    def look() -> Sequence[Section]:
        states = sorted(
            find_streams(options["stream"], discover=options["discover"]), key=lambda one: (-one.health.rank, one.name)
        )
        server = {"version": server_version(), "url": safe_url(get_settings().url)}
        return [
            Section(
                "streams",
                [_record(one) for one in states],
                [_row(one) for one in states],
                numbers=frozenset({"LENGTH", "GROUPS", "LAG", "LAG-TIME", "PENDING", "DEAD", "LAST-ENTRY"}),
                folded=frozenset({"PROBLEMS"}),
                hidden=frozenset({"GROUPS"}),
            ),
            Section("server", server, text=f"{server['version']} at {server['url']}"),
        ]

    show(output, options, look)


def problems(state: StreamState) -> list[str]:
    """What is wrong with a stream, in a few words for each of its groups."""
    found = [state.problem] if state.problem else []
    return found + [f"{one.name}: {text}" for one in state.groups if (text := problem(one))]


def problem(group: GroupState) -> str:
    """What is wrong with a group, or nothing."""
    said = []
    if group.health in (Health.STALLED, Health.BROKEN):
        said.append(group.health.value)
    if group.health is Health.STALLED and group.last_seen is not None:
        said.append(f"nobody runs since {length(group.last_seen)}")
    if group.health in (Health.STALLED, Health.BEHIND) and group.lag:
        age = f" ({length(group.time_lag)})" if group.time_lag else ""
        said.append(f"{number(group.lag)} behind{age}")
    if group.waiting:
        said.append(f"{number(group.waiting)} waiting for a retry")
    if group.dead:
        said.append(f"{number(group.dead)} dead letter{'s' * (group.dead != 1)}")
    if not group.exists and not group.is_deleted:
        said.append("not made yet")
    return ", ".join(said)


def _lag(state: StreamState) -> int | None:
    """That of the group that is furthest behind; None if one does not know its own."""
    lags = [one.lag for one in state.groups]
    return None if None in lags else max((one for one in lags if one is not None), default=0)


def _time_lag(state: StreamState) -> float | None:
    lags = [one.time_lag for one in state.groups]
    return None if None in lags else max((one.total_seconds() for one in lags if one is not None), default=0.0)


def _record(state: StreamState) -> dict[str, Any]:
    return {
        "stream": state.name,
        "health": state.health.value,
        "exists": state.exists,
        "declared": state.is_declared,
        "length": state.length,
        "added": state.added,
        "groups": len(state.groups),
        "lag": _lag(state),
        "lag_time": _time_lag(state),
        "pending": sum(one.pending for one in state.groups),
        "dead": sum(one.dead for one in state.groups),
        "first_id": state.first_id or None,
        "last_id": state.last_id or None,
        "last_entry": seconds(since(state.last_entry_at)),
        "last_entry_at": iso(state.last_entry_at),
        "problems": problems(state),
    }


def _row(state: StreamState) -> dict[str, str]:
    lags = [one.time_lag for one in state.groups if one.time_lag is not None]
    return {
        "STREAM": state.name,
        "HEALTH": state.health.value,
        "LENGTH": number(state.length),
        "GROUPS": str(len(state.groups)),
        "LAG": number(_lag(state)) if state.groups else "",
        "LAG-TIME": length(max(lags)) if lags else "",
        "PENDING": number(sum(one.pending for one in state.groups)),
        "DEAD": number(sum(one.dead for one in state.groups)),
        "LAST-ENTRY": length(since(state.last_entry_at)) or "never",
        "PROBLEMS": "; ".join(problems(state)),
    }
