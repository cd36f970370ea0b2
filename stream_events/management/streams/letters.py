"""``manage.py streams letters``: dead letters of a group, newest first, or how many there are of each error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from stream_events.management.streams import display
from stream_events.management.streams.display import clock, iso, length, number, seconds, since
from stream_events.management.streams.filters import add_letter_filters, entry_id, letter_filter
from stream_events.management.streams.names import check_group_of, find_stream
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import PAGE, add_flags, add_names, gathered, show
from stream_events.operations.dead_letters import DeadLetter, error_classes, letters_page

HELP = "Lists dead letters of a group, newest first; with --facets, how many there are of each error."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, group="")
    add_letter_filters(parser)
    parser.add_argument("--before", type=entry_id, metavar="ID", help="go on before this dead letter")
    parser.add_argument("--facets", action="store_true", help="count the classes of errors of the newest ones")
    add_flags(parser, limit=PAGE)


def run(output: Output, options: dict[str, Any]) -> None:
    check_group_of(find_stream(options["stream"]), options["group"])
    show(output, options, lambda: _facets(options) if options["facets"] else _letters(output, options))


def _facets(options: dict[str, Any]) -> Sequence[Section]:
    counts, are_all = error_classes(options["stream"], options["group"])
    found = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    said = f"{number(sum(counts.values()))} dead letters"
    return [
        Section(
            "errors",
            [{"error": name, "letters": count} for name, count in found],
            [{"ERROR": name, "LETTERS": number(count)} for name, count in found],
            numbers=frozenset({"LETTERS"}),
        ),
        Section("page", {"complete": are_all}, text=said if are_all else f"the newest {said}; there are more"),
    ]


def _letters(output: Output, options: dict[str, Any]) -> Sequence[Section]:
    stream, group, where = options["stream"], options["group"], letter_filter(options)
    page = gathered(
        lambda before, size: letters_page(stream, group, where, before=before, size=size),
        options["before"] or "",
        options["limit"],
    )
    more = f"; more with --before {page.after}" if page.after else ""
    return [
        Section(
            "letters",
            [record(one) for one in page.rows],
            [_row(one, output.utc) for one in page.rows],
            numbers=frozenset({"AGE", "DELIVERIES", "REQUEUES"}),
            elastic=frozenset({"EVENT", "OBJECT", "ERROR", "HANDLER", "PAYLOAD"}),
            hidden=frozenset({"DIED-AT"}),
        ),
        Section(
            "page",
            {"total": page.total, "before": page.after},
            text=f"{number(len(page.rows))} of {number(page.total)} dead letters{more}",
        ),
    ]


def record(one: DeadLetter) -> dict[str, Any]:
    return {
        "id": one.id,
        "age": seconds(since(one.at)),
        "died_at": iso(one.at),
        "entry_id": one.entry_id or None,
        "event": display.event(one.fields) or None,
        "object": display.obj_id(one.fields) or None,
        "reason": one.reason or None,
        "error": one.error or None,
        "handler": one.handler or None,
        "deliveries": one.delivery_count or None,
        "consumer": one.consumer or None,
        "traceback": one.traceback or None,
        "requeues": [{"at": iso(past.at), "by": past.by, "error": past.error} for past in one.history],
        "headers": display.headers(one.fields),
        "payload": display.payload(one.fields),
    }


def _row(one: DeadLetter, utc: bool) -> dict[str, str]:
    return {
        "ID": one.id,
        "AGE": length(since(one.at)),
        "DIED-AT": clock(one.at, utc=utc),
        "EVENT": display.event(one.fields),
        "OBJECT": display.obj_id(one.fields),
        "REASON": one.reason,
        "ERROR": one.error,
        "HANDLER": one.handler,
        "DELIVERIES": number(one.delivery_count) if one.delivery_count else "",
        "REQUEUES": str(len(one.history)) if one.history else "",
        "PAYLOAD": display.preview(one.fields),
    }
