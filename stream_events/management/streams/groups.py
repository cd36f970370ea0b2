"""``manage.py streams groups``: how far each group is, and who works for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from stream_events.events import entry_time
from stream_events.management.streams.display import iso, length, number, seconds, since
from stream_events.management.streams.names import find_streams
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import add_flags, add_names, show
from stream_events.operations.history import Series, recent_series
from stream_events.operations.inspection import GroupState, StreamState

HELP = "Shows how far each group is behind, what it has pending, and how many consumers work for it."

NUMBERS = frozenset({"LAG", "LAG-TIME", "PENDING", "OLDEST", "HANDLED/MIN", "DEAD", "WAITING", "READ"})
RECENT = 5  # minutes: what was handled before is no news
HIDDEN = frozenset({"DEAD", "WAITING", "READ", "LAST-ID"})  # unless --columns names them


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, stream="only its groups (default: those of all streams that the project declares)")
    add_flags(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    show(output, options, lambda: [section(find_streams(options["stream"]))])


def section(streams: Iterable[StreamState]) -> Section:
    """The groups of ``streams``, the worst first."""
    states = [one for stream in streams for one in stream.groups]
    states.sort(key=lambda one: (-one.health.rank, one.stream, one.name))
    histories = recent_series((one.stream, one.name) for one in states)
    handled = [_handled(histories.get((one.stream, one.name))) for one in states]
    return Section(
        "groups",
        [_record(*one) for one in zip(states, handled, strict=True)],
        [_row(*one) for one in zip(states, handled, strict=True)],
        numbers=NUMBERS,
        hidden=HIDDEN,
    )


def _handled(series: Series | None) -> float | None:
    """Entries a minute that were handled of late; None if nobody knows."""
    points = series.points[-RECENT:] if series else ()
    known = [one.handled for one in points if one.handled is not None]
    return round(known[-1], 1) if known else None


def _record(state: GroupState, handled: float | None) -> dict[str, Any]:
    oldest = state.oldest_pending_id
    return {
        "stream": state.stream,
        "group": state.name,
        "health": state.health.value,
        "exists": state.exists,
        "registered": state.is_registered,
        "deleted": state.is_deleted,
        "lag": state.lag,
        "lag_time": seconds(state.time_lag),
        "pending": state.pending,
        "oldest": seconds(since(entry_time(oldest))) if oldest else None,
        "oldest_id": oldest or None,
        "oldest_at": iso(entry_time(oldest)) if oldest else None,
        "waiting": state.waiting,
        "dead": state.dead,
        "requeued": state.requeued,
        "consumers": state.consumers,
        "running": state.running,
        "handled_per_min": handled,
        "read": state.entries_read,
        "last_id": state.last_delivered_id or None,
        "last_consumer": state.last_consumer or None,
        "last_seen": seconds(state.last_seen),
    }


def _row(state: GroupState, handled: float | None) -> dict[str, str]:
    oldest = state.oldest_pending_id
    return {
        "STREAM": state.stream,
        "GROUP": state.name,
        "HEALTH": state.health.value,
        "LAG": number(state.lag),
        "LAG-TIME": length(state.time_lag) if state.time_lag else "-",
        "PENDING": number(state.pending),
        "OLDEST": length(since(entry_time(oldest))) if oldest else "-",
        "CONSUMERS": f"{state.running}/{state.consumers}",
        "HANDLED/MIN": "-" if handled is None else f"{handled:,.0f}",
        "WAITING": number(state.waiting),
        "DEAD": number(state.dead),
        "READ": number(state.entries_read),
        "LAST-ID": state.last_delivered_id,
    }
