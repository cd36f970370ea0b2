"""What a verb has found, as a table for people, or as lines or JSON for programs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser, OutputWrapper

from stream_events.pipes import discard

FORMATS = ("table", "plain", "json", "ndjson")

Row = Mapping[str, str]  # the text of each cell by the title of its column; empty where there is nothing to say


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of things: the same as records for programs and as rows for people."""

    name: str
    records: Sequence[Mapping[str, Any]]
    rows: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go, in which format; ``notes`` is for everything that is no result."""

    stdout: OutputWrapper
    notes: OutputWrapper
    format: str = "table"
    color: bool = True

    def write(self, *sections: Section) -> None:
        """Write ``sections``: with ``json`` as one document, with ``plain`` only the rows of the first.

        Whoever reads may stop reading, as ``head`` does.
        """
        try:
            self._write(sections)
            self.stdout.flush()
        except BrokenPipeError:
            discard(self.stdout)

    def note(self, text: str) -> None:
        """Say something that is no result."""
        self.notes.write(text)

    def _write(self, sections: Sequence[Section]) -> None:
        match self.format:
            case "json":
                document = {one.name: one.records for one in sections}
                self.stdout.write(json.dumps(document, indent=2))
            case "ndjson":
                for section in sections:
                    for record in section.records:
                        self.stdout.write(json.dumps({"section": section.name, **record}))
            case "plain":
                for row in sections[0].rows:
                    self.stdout.write("\t".join(_one_line(cell) for cell in row.values()))
            case _:
                self._tables([_without_empty_columns(one.rows) for one in sections if one.rows])

    def _tables(self, tables: Sequence[Sequence[Row]]) -> None:
        # A file or a pipe has no width, and what reads it expects no line to be broken.
        rich = self.stdout.isatty() and importlib.util.find_spec("rich") is not None
        for number, rows in enumerate(tables):
            if number:
                self.stdout.write("")
            if rich:
                self._rich_table(rows)
            else:
                self.stdout.write("\n".join(aligned(rows)))

    def _rich_table(self, rows: Sequence[Row]) -> None:
        from rich.console import Console  # of the extra “cli”, so it may be missing
        from rich.table import Table
        from rich.text import Text

        file: Any = getattr(self.stdout, "_out", self.stdout)
        style = "bold" if self.color else ""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=style)
        for title in rows[0]:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_one_line(cell)) for cell in row.values()))  # not markup: names may have brackets
        Console(file=file, no_color=not self.color or None).print(table)


def add_format(parser: CommandParser) -> None:
    """Add the option that chooses the format of ``Output``."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="table for people; plain: one line each, cells separated by tabs; json: one document; ndjson: one object"
        " a line (default: table)",
    )


def aligned(rows: Sequence[Row]) -> list[str]:
    """``rows`` under their titles, in columns as wide as what is in them."""
    lines = [list(rows[0]), *([_one_line(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _without_empty_columns(rows: Sequence[Row]) -> list[Row]:
    titles = [title for title in rows[0] if any(row[title] for row in rows)]
    return [{title: row[title] for title in titles} for row in rows]


def _one_line(cell: str) -> str:
    return "".join(one if one.isprintable() else " " for one in cell)
