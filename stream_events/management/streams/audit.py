"""``manage.py streams audit``: what operators did, from the pages and from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from stream_events.management.streams.display import clock, iso, number
from stream_events.management.streams.filters import entry_id
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import PAGE, add_flags, add_names, gathered, show
from stream_events.operations.audit import Act, acts

HELP = "Lists what operators did, newest first."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, stream="only what was done to it")
    parser.add_argument("--before", type=entry_id, metavar="ID", help="go on before this act")
    add_flags(parser, limit=PAGE)


def run(output: Output, options: dict[str, Any]) -> None:
    def look() -> Sequence[Section]:
        page = gathered(
            lambda before, size: acts(stream=options["stream"] or "", before=before, size=size),
            options["before"] or "",
            options["limit"],
        )
        rows, after = page.rows, page.after
        return [
            Section(
                "acts",
                [_record(one) for one in rows],
                [_row(one, output.utc) for one in rows],
                numbers=frozenset({"DONE", "SKIPPED"}),
                elastic=frozenset({"DETAIL"}),
                hidden=frozenset({"ID", "BATCH"}),
            ),
            Section(
                "page",
                {"before": after},
                text=f"more with --before {after}" if after else "" if rows else "Nobody has changed anything.",
            ),
        ]

    show(output, options, look)


def _record(one: Act) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": iso(one.at),
        "actor": one.actor,
        "via": one.via,
        "verb": one.verb,
        "stream": one.stream,
        "group": one.group or None,
        "done": one.done,
        "skipped": one.skipped,
        "batch": one.batch or None,
        "detail": one.detail or None,
    }


def _row(one: Act, utc: bool) -> dict[str, str]:
    return {
        "AT": clock(one.at, utc=utc),
        "ACTOR": one.actor,
        "VIA": one.via,
        "VERB": one.verb,
        "STREAM": one.stream,
        "GROUP": one.group,
        "DONE": number(one.done),
        "SKIPPED": number(one.skipped),
        "DETAIL": one.detail,
        "ID": one.id,
        "BATCH": one.batch,
    }
