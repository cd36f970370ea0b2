"""``manage.py streams tail``: new entries as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from stream_events.arguments import positive_int, whole
from stream_events.management.streams import entries
from stream_events.management.streams.filters import id_before
from stream_events.management.streams.names import check_readable, find_stream
from stream_events.management.streams.output import Output, Section, add_format
from stream_events.management.streams.reading import add_names, add_utc, interval
from stream_events.management.streams.tables import one_line
from stream_events.operations.entries import StreamEntry, containing, stream_entries
from stream_events.operations.places import NOTHING, place

HELP = "Shows the last entries of a stream and then new ones as they come, until CONTROL-C."

POLL = 0.5  # seconds
SHOWN = 10  # entries before the new ones
PAGE = 100

_GAP = "  "


def add_arguments(parser: CommandParser) -> None:
    add_names(parser)
    parser.add_argument(
        "--from", dest="start", type=id_before, metavar="TIME", help="begin at this time, “2h” ago, or id"
    )
    parser.add_argument(
        "--last", type=whole, default=SHOWN, metavar="N", help=f"begin with the last N entries (default: {SHOWN})"
    )
    parser.add_argument("--contains", default="", metavar="TEXT", help="only those that have this in their fields")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="end after N entries")
    parser.add_argument("--every", type=interval, default=POLL, metavar="SECONDS", help=f"look so often ({POLL:g})")
    add_format(parser, ("table", "plain", "ndjson"))
    add_utc(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    state = find_stream(options["stream"])
    check_readable(state)
    left = options["limit"]
    try:
        for one in _follow(state.name, options):
            if not _write(output, one):
                return
            if left is not None and (left := left - 1) == 0:
                return
    except KeyboardInterrupt:
        return


def _follow(stream: str, options: dict[str, Any]) -> Iterator[StreamEntry]:
    contains, after = options["contains"], options["start"]
    has = containing(contains)
    if after is None:
        after, known = _newest(stream, contains, options["last"])
        yield from known
    while True:
        page = stream_entries(stream, after=after, size=PAGE)
        yield from (one for one in page.rows if has(one.fields))
        if page.rows:
            after = page.rows[-1].entry_id
        if page.after is None:
            time.sleep(options["every"])


def _newest(stream: str, contains: str, count: int) -> tuple[str, list[StreamEntry]]:
    """The id after which new entries come, and the last ``count`` entries, oldest first."""
    newest = stream_entries(stream, size=1).rows
    if not newest:
        return NOTHING, []
    last = newest[0].entry_id
    if not count:
        return last, []
    found = stream_entries(stream, size=count, contains=contains).rows
    # What came between the two looks is not shown twice.
    return max([last, *(one.entry_id for one in found)], key=place), list(reversed(found))


def _write(output: Output, one: StreamEntry) -> bool:
    """Write one entry; False when nobody reads any more."""
    row = {title: cell for title, cell in entries.row(one, output.utc).items() if title != "DELIVERY"}
    record = {name: value for name, value in entries.record(one).items() if name != "delivery"}
    text = one_line(_GAP.join(filter(None, row.values())))
    return output.write(Section("entries", [record], [row], text=text))
