"""What the verbs that only look have in common: their options, and looking again and again."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from django.core.management.base import CommandParser

from stream_events.arguments import positive_int, span
from stream_events.connections import UNAVAILABLE, explain
from stream_events.management.streams.output import FORMATS, Output, Section, add_format
from stream_events.operations.pages import Page

PAGE = 50  # rows, unless --limit says otherwise
LARGEST_PAGE = 1000  # rows that are asked for at once
WATCH = 2.0  # seconds

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"

Look = Callable[[], Sequence[Section]]
T = TypeVar("T")


def add_names(parser: CommandParser, stream: str = "", group: str | None = None) -> None:
    """The positions STREAM and GROUP; with a text they may be left out, and it says what that means."""
    for name, text in (("stream", stream), ("group", group)):
        if text is not None:
            parser.add_argument(name, metavar=name.upper(), nargs="?" if text else None, help=text or None)


def add_flags(parser: CommandParser, *, limit: int | None = None, watch: bool = True) -> None:
    """The options of a verb that looks; with ``limit`` it shows so many rows unless told otherwise."""
    add_format(parser, FORMATS)
    parser.add_argument("--columns", type=_names, default=(), metavar="A,B", help="only these columns, in this order")
    parser.add_argument("--sort", default="", metavar="COLUMN", help="order the rows by this column")
    parser.add_argument("--reverse", action="store_true", help="with --sort, the greatest first")
    text = f"rows at most (default: {limit})" if limit else "rows at most"
    parser.add_argument("--limit", type=positive_int, default=limit, metavar="N", help=text)
    add_utc(parser)
    if watch:
        parser.add_argument(
            "--watch",
            type=interval,
            nargs="?",
            const=WATCH,
            metavar="SECONDS",
            help=f"look again every so often (default: {WATCH:g} s) until CONTROL-C",
        )


def add_utc(parser: CommandParser) -> None:
    parser.add_argument("--utc", action="store_true", help="show times in UTC instead of the project's time zone")


def show(output: Output, options: dict[str, Any], look: Look) -> None:
    """Write what ``look`` finds: once, or with --watch until CONTROL-C, which ends it well."""
    if options.get("watch") is None:
        output.write(*look())
        return
    try:
        _watch(output, options["watch"], look)
    except KeyboardInterrupt:
        return


def gathered(fetch: Callable[[str, int], Page[T]], start: str, limit: int) -> Page[T]:
    """The first ``limit`` rows after ``start``, of as many pages as that takes: a filter may leave them short."""
    rows: list[T] = []
    while True:
        page = fetch(start, min(limit - len(rows), LARGEST_PAGE))
        rows += page.rows
        if page.after is None or len(rows) >= limit:
            return replace(page, rows=tuple(rows))
        start = page.after


def interval(text: str) -> float:
    """Seconds between two looks."""
    found = span(text).total_seconds()
    if found < 0.1:  # a busy loop would look at nothing but itself
        raise ArgumentTypeError(f"{text!r} is too often; write 0.1 or more")
    return found


def _watch(output: Output, seconds: float, look: Look) -> None:
    sections = look()  # a mistake ends the command; later only Redis can be away
    is_first = True
    while True:
        if output.stdout.isatty():
            output.stdout.write(_CLEAR, ending="")
        elif not is_first:
            output.stdout.write("")
        if not output.write(*sections):
            return
        is_first = False
        sections = _next(output, seconds, look)


def _next(output: Output, seconds: float, look: Look) -> Sequence[Section]:
    """What ``look`` finds after ``seconds``, or later when Redis is away meanwhile."""
    while True:
        time.sleep(seconds)
        try:
            return look()
        except UNAVAILABLE as error:
            output.note(f"Redis cannot be reached: {explain(error)}; trying again.")


def _names(text: str) -> tuple[str, ...]:
    found = tuple(filter(None, (one.strip() for one in text.split(","))))
    if not found:
        raise ArgumentTypeError("give the names of columns, with commas between them")
    return found
