"""``manage.py streams consumers``: who works for which group, and what each holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from stream_events.events import entry_time
from stream_events.management.streams.display import length, number, seconds, since
from stream_events.management.streams.names import check_group_of, find_streams
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import add_flags, add_names, show
from stream_events.operations.consumers import ConsumerInfo, consumers, group_consumers

HELP = "Shows the consumers of each group: whether they run, and what they hold."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, stream="only those of its groups", group="only those of this group")
    add_flags(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    def look() -> Sequence[Section]:
        found = _found(options["stream"], options["group"])
        return [
            Section(
                "consumers",
                [_record(one) for one in found],
                [_row(one) for one in found],
                numbers=frozenset({"PENDING", "REQUEUED", "IDLE", "INACTIVE", "LEASE", "PID", "OLDEST"}),
                elastic=frozenset({"CONSUMER", "HOST"}),
            )
        ]

    show(output, options, look)


def _found(stream: str | None, group: str | None) -> list[ConsumerInfo]:
    states = find_streams(stream)
    if stream and group:
        check_group_of(states[0], group)
        return group_consumers(stream, group)
    return consumers([one.name for one in states])


def _record(one: ConsumerInfo) -> dict[str, Any]:
    return {
        "stream": one.stream,
        "group": one.group,
        "consumer": one.name,
        "state": one.state.value,
        "pending": one.pending,
        "requeued": one.requeued,
        "idle": seconds(one.idle),
        "inactive": seconds(one.inactive),
        "lease": seconds(one.lease_left),
        "host": one.host or None,
        "pid": one.pid,
        "oldest": seconds(since(entry_time(one.oldest))) if one.oldest else None,
        "oldest_id": one.oldest or None,
    }


def _row(one: ConsumerInfo) -> dict[str, str]:
    return {
        "STREAM": one.stream,
        "GROUP": one.group,
        "CONSUMER": one.name,
        "STATE": one.state.value,
        "PENDING": number(one.pending),
        "REQUEUED": number(one.requeued) if one.requeued else "",
        "IDLE": length(one.idle),
        "INACTIVE": length(one.inactive),
        "LEASE": length(one.lease_left),
        "HOST": one.host,
        "PID": "" if one.pid is None else str(one.pid),
        "OLDEST": length(since(entry_time(one.oldest))) if one.oldest else "-",
    }
