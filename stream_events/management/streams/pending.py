"""``manage.py streams pending``: entries that were handed to a consumer and not acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from stream_events.management.streams import display
from stream_events.management.streams.display import due, iso, length, number, seconds, since
from stream_events.management.streams.filters import add_pending_filters, add_requeued, entry_id, pending_filter
from stream_events.management.streams.names import check_group_of, find_stream
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import PAGE, add_flags, add_names, gathered, show
from stream_events.operations.pending import PendingEntry, pending_entries

HELP = "Lists pending entries of a group, oldest first: what each is doing, and why it failed."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, group="")
    add_pending_filters(parser)
    add_requeued(parser)
    parser.add_argument("--after", type=entry_id, metavar="ID", help="go on after this entry")
    add_flags(parser, limit=PAGE)


def run(output: Output, options: dict[str, Any]) -> None:
    stream, group = options["stream"], options["group"]
    check_group_of(find_stream(stream), group)
    where, requeued = pending_filter(options), options["requeued"]

    def look() -> Sequence[Section]:
        page = gathered(
            lambda after, size: pending_entries(stream, group, where, after=after, size=size, requeued=requeued),
            options["after"] or "",
            options["limit"],
        )
        more = f"; more with --after {page.after}" if page.after else ""
        return [
            Section(
                "pending",
                [record(one) for one in page.rows],
                [_row(one) for one in page.rows],
                numbers=frozenset({"AGE", "IDLE", "DELIVERIES", "DUE"}),
                elastic=frozenset({"CONSUMER", "EVENT", "ERROR", "PAYLOAD"}),
                hidden=frozenset({"AGE"}),
            ),
            Section(
                "page",
                {"total": page.total, "after": page.after},
                text=f"{number(len(page.rows))} of {number(page.total)} pending{more}",
            ),
        ]

    show(output, options, look)


def deliveries(one: PendingEntry) -> str:
    """How often it was started, or that a consumer has said that nobody can handle it."""
    return "fatal" if one.is_fatal else number(one.delivery_count)


def record(one: PendingEntry) -> dict[str, Any]:
    return {
        "id": one.entry_id,
        "added_at": iso(one.added_at),
        "age": seconds(since(one.added_at)),
        "state": one.state.value,
        "consumer": one.consumer or None,
        "owner": one.owner,
        "idle": seconds(one.idle),
        "deliveries": one.delivery_count,
        "due": iso(one.due_at),
        "event": display.event(one.fields) or None,
        "error": one.error or None,
        "traceback": one.traceback or None,
        "handlers": list(one.handlers),
        "headers": display.headers(one.fields),
        "payload": display.payload(one.fields),
    }


def _row(one: PendingEntry) -> dict[str, str]:
    return {
        "ID": one.entry_id,
        "AGE": length(since(one.added_at)),
        "STATE": one.state.value,
        "CONSUMER": one.consumer,
        "IDLE": length(one.idle),
        "DELIVERIES": deliveries(one),
        "DUE": due(one.due_at),
        "EVENT": display.event(one.fields),
        "ERROR": one.error,
        "PAYLOAD": display.preview(one.fields),
    }
