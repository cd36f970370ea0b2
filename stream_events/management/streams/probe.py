"""``manage.py streams check``: whether all is as it should be, for cron, probes and alarms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.management.base import CommandError, CommandParser

from stream_events.arguments import span, whole
from stream_events.management.exit_codes import BREACHED
from stream_events.management.streams.display import length, number
from stream_events.management.streams.names import check_group_of, find_streams
from stream_events.management.streams.output import Output, Section, add_format
from stream_events.management.streams.reading import add_names
from stream_events.operations.inspection import GroupState, Health
from stream_events.operations.pending import PendingFilter, pending_entries

HELP = (
    "Checks groups against the limits that are given, or without any, that none is stalled or broken; one line for"
    " each that is exceeded, and exit code 4."
)


class Breach(NamedTuple):
    stream: str
    group: str
    check: str
    value: float | int | str
    limit: float | int | str
    text: str


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, stream="only its groups", group="only this group")
    parser.add_argument("--max-lag", type=whole, metavar="N", help="entries that a group may not have read yet")
    parser.add_argument("--max-lag-time", type=span, metavar="TIME", help="how old the first of these may be, as 5m")
    parser.add_argument(
        "--max-idle", type=span, metavar="TIME", help="how long a pending entry may lie without anybody touching it"
    )
    parser.add_argument("--max-dead", type=whole, metavar="N", help="dead letters that a group may have")
    add_format(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    states = find_streams(options["stream"])
    if options["group"]:
        check_group_of(states[0], options["group"])
    groups = [one for state in states for one in state.groups if options["group"] in (None, one.name)]
    problems = [
        Breach(one.name, "", "health", one.health.value, "", f"{one.name}: {one.problem}")
        for one in states
        if one.problem
    ]
    found = [*problems, *(breach for one in groups for breach in _breaches(one, options))]
    count = len(groups)
    ok = "1 group is within its limits." if count == 1 else f"{number(count)} groups are within their limits."
    output.write(
        Section(
            "breaches",
            [_record(one) for one in found],
            [{"PROBLEM": one.text} for one in found],
            text="\n".join(one.text for one in found) if found else ok,
        ),
        Section("checked", {"groups": count, "ok": not found}),
    )
    if found:
        said = "1 limit is" if len(found) == 1 else f"{number(len(found))} limits are"
        raise CommandError(f"{said} exceeded.", returncode=BREACHED)


def _breaches(state: GroupState, options: dict[str, Any]) -> Iterator[Breach]:
    most, age, idle, dead = (options[name] for name in ("max_lag", "max_lag_time", "max_idle", "max_dead"))
    if (most, age, idle, dead) == (None, None, None, None):
        if state.health in (Health.STALLED, Health.BROKEN):
            yield _breach(state, "health", state.health.value, "", f"is {state.health.value}")
        return
    if most is not None and state.lag is None:
        yield _breach(state, "lag", "unknown", most, "does not know its lag: entries ahead of it were deleted")
    elif most is not None and state.lag is not None and state.lag > most:
        yield _breach(state, "lag", state.lag, most, f"is {number(state.lag)} behind, more than {number(most)}")
    if age is not None and state.time_lag is not None and state.time_lag > age:
        said = f"is {length(state.time_lag)} behind, more than {length(age)}"
        yield _breach(state, "lag_time", state.time_lag.total_seconds(), age.total_seconds(), said)
    if idle is not None and (longest := _idle(state, idle)) is not None:
        said = f"has an entry that nobody touched for {length(longest)}, more than {length(idle)}"
        yield _breach(state, "idle", longest.total_seconds(), idle.total_seconds(), said)
    if dead is not None and state.dead > dead:
        yield _breach(
            state, "dead", state.dead, dead, f"has {number(state.dead)} dead letters, more than {number(dead)}"
        )


def _idle(state: GroupState, limit: timedelta) -> timedelta | None:
    """How long one pending entry has lain for longer than ``limit``, if there is one."""
    if not state.pending:
        return None
    page = pending_entries(state.stream, state.name, PendingFilter(min_idle=limit), size=1)
    return page.rows[0].idle if page.rows else None


def _breach(state: GroupState, check: str, value: float | int | str, limit: float | int | str, said: str) -> Breach:
    return Breach(state.stream, state.name, check, value, limit, f"{state.stream}/{state.name} {said}.")


def _record(one: Breach) -> dict[str, Any]:
    return {
        "stream": one.stream,
        "group": one.group or None,
        "check": one.check,
        "value": None if one.value == "unknown" else one.value,
        "limit": one.limit if one.limit != "" else None,
        "text": one.text,
    }
