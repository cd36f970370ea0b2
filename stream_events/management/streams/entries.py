"""``manage.py streams entries``: what is in a stream, newest first, as one group sees it if asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from stream_events.management.streams import display
from stream_events.management.streams.display import clock, iso, number
from stream_events.management.streams.filters import first_id, id_before, last_id
from stream_events.management.streams.names import check_group_of, check_readable, find_stream
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import PAGE, add_flags, add_names, gathered, show
from stream_events.operations.entries import StreamEntry, stream_entries
from stream_events.operations.pages import Page

HELP = "Lists entries of a stream, newest first; with --after or --at, oldest first."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--before", type=first_id, metavar="TIME", help="older than this time, “2h” ago, or id")
    where.add_argument("--after", type=last_id, metavar="TIME", help="newer than that, oldest first")
    where.add_argument("--at", type=id_before, metavar="TIME", help="from that on, oldest first")
    parser.add_argument("--contains", default="", metavar="TEXT", help="that have this in their fields")
    parser.add_argument("--as", dest="group", default="", metavar="GROUP", help="say how far this group is with each")
    add_flags(parser, limit=PAGE)


def run(output: Output, options: dict[str, Any]) -> None:
    state = find_stream(options["stream"])
    check_readable(state)
    if options["group"]:
        check_group_of(state, options["group"])
    after = options["after"] or options["at"] or ""

    def fetch(start: str, size: int) -> Page[StreamEntry]:
        return stream_entries(
            state.name,
            after=start if after else "",
            before="" if after else start,
            size=size,
            group=options["group"],
            contains=options["contains"],
        )

    def look() -> Sequence[Section]:
        page = gathered(fetch, after or options["before"] or "", options["limit"])
        direction = "after" if after else "before"
        more = f"; more with --{direction} {page.after}" if page.after else ""
        return [
            Section(
                "entries",
                [record(one) for one in page.rows],
                [row(one, output.utc) for one in page.rows],
                elastic=frozenset({"EVENT", "OBJECT", "PAYLOAD"}),
            ),
            Section(
                "page",
                {"total": page.total, direction: page.after},
                text=f"{number(len(page.rows))} of {number(page.total)} entries{more}",
            ),
        ]

    show(output, options, look)


def record(one: StreamEntry) -> dict[str, Any]:
    return {
        "id": one.entry_id,
        "time": iso(one.added_at),
        "event": display.event(one.fields) or None,
        "object": display.obj_id(one.fields) or None,
        "delivery": one.delivery.value if one.delivery else None,
        "headers": display.headers(one.fields),
        "payload": display.payload(one.fields),
    }


def row(one: StreamEntry, utc: bool) -> dict[str, str]:
    return {
        "ID": one.entry_id,
        "TIME": clock(one.added_at, utc=utc),
        "EVENT": display.event(one.fields),
        "OBJECT": display.obj_id(one.fields),
        "DELIVERY": one.delivery.value if one.delivery else "",
        "PAYLOAD": display.preview(one.fields),
    }
