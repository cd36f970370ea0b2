"""What a verb has found, as a table for people, or as lines or JSON for programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from django.core.management.base import CommandParser, OutputWrapper

from stream_events.exceptions import SelectionError
from stream_events.management.streams.tables import Row, Style, is_rich, one_line, write_rich_table, written_table
from stream_events.pipes import discard

FORMATS = ("table", "plain", "json", "ndjson")


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of things: the same as records for programs and as rows for people.

    The column “LAG-TIME” is the key ``lag_time`` of the records, “IN/MIN” is ``in_per_min``. Cells of ``numbers`` are
    aligned at the right, and with ``plain`` are what the records have. On a narrow terminal, cells of ``elastic`` are
    cut, and those of ``folded`` go on in the next line. Columns in ``hidden`` are shown only when they are asked for.
    People get ``text`` instead of the rows, if there is any.
    """

    name: str
    records: Sequence[Mapping[str, Any]] | Mapping[str, Any]
    rows: Sequence[Row] = ()
    numbers: frozenset[str] = frozenset()
    elastic: frozenset[str] = frozenset()
    folded: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    text: str = ""

    @property
    def style(self) -> Style:
        return Style(self.numbers, self.elastic, self.folded)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns and rows of a verb's first section are shown, and in which order."""

    columns: tuple[str, ...] = ()
    sort: str = ""
    reverse: bool = False
    limit: int | None = None

    def of(self, section: Section) -> Section:
        """What is left of ``section``; raises ``SelectionError`` for a column that it does not have."""
        if isinstance(section.records, Mapping):
            return section
        records, rows = list(section.records), list(section.rows)
        if self.sort:
            order = self._order(records, rows)
            records, rows = [records[at] for at in order], [rows[at] for at in order] if rows else []
        records, rows = records[: self.limit], rows[: self.limit]
        hidden = section.hidden
        if self.columns:
            self._check_columns(records, rows)
            rows = [_picked(row, self.columns, key) for row in rows]
            records = [_picked(record, self.columns, str) for record in records]
            hidden = frozenset()
        return replace(section, records=records, rows=rows, hidden=hidden)

    def _check_columns(self, records: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> None:
        known = [*(key(title) for title in (rows[0] if rows else ())), *(records[0] if records else ())]
        for column in self.columns if known else ():
            if key(column) not in known:
                raise _no_column(column, known)

    def _order(self, records: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> list[int]:
        if not records:
            return []
        wanted = key(self.sort)
        titles = {key(title): title for title in rows[0]} if rows else {}
        if wanted in records[0]:
            values = [record[wanted] for record in records]
        elif wanted in titles:
            values = [row[titles[wanted]] for row in rows]
        else:
            raise _no_column(self.sort, [*titles, *records[0]])
        known = [at for at, value in enumerate(values) if value is not None]
        known.sort(key=lambda at: _comparable(values[at]), reverse=self.reverse)
        return [*known, *(at for at, value in enumerate(values) if value is None)]


EVERYTHING = Choice()


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go, in which format; ``notes`` is for everything that is no result."""

    stdout: OutputWrapper
    notes: OutputWrapper
    format: str = "table"
    color: bool = True
    choice: Choice = field(default=EVERYTHING)
    utc: bool = False  # else times are those of the project's time zone

    @property
    def is_for_programs(self) -> bool:
        return self.format in ("json", "ndjson")

    @property
    def notes_width(self) -> int | None:
        """How many characters a line of notes may have; None where no terminal shows them."""
        return shutil.get_terminal_size().columns if self.notes.isatty() else None

    def write(self, *sections: Section) -> bool:
        """Write ``sections``: with ``json`` as one document, with ``plain`` only the rows of the first.

        Whoever reads may stop reading, as ``head`` does; then it returns False.
        """
        first, *others = sections
        try:
            self._write([self.choice.of(first), *others])
            self.stdout.flush()
        except BrokenPipeError:
            discard(self.stdout)
            return False
        return True

    def note(self, text: str) -> None:
        """Say something that is no result, nor an error."""
        self.notes.write(text, lambda line: line)
        self.notes.flush()

    def _write(self, sections: Sequence[Section]) -> None:
        match self.format:
            case "json":
                document = {one.name: one.records for one in sections}
                self.stdout.write(json.dumps(document, indent=2))
            case "ndjson":
                for section in sections:
                    records = section.records
                    for record in [records] if isinstance(records, Mapping) else records:
                        self.stdout.write(json.dumps({"section": section.name, **record}))
            case "plain":
                self._plain(sections[0])
            case _:
                self._tables([one for one in sections if one.rows or one.text])

    def _plain(self, section: Section) -> None:
        records: Sequence[Mapping[str, Any]] = (
            [section.records] if isinstance(section.records, Mapping) else section.records
        )
        for row, record in zip(section.rows, records, strict=False):
            self.stdout.write(
                "\t".join(
                    _plain_cell(section, record, title, cell)
                    for title, cell in row.items()
                    if title not in section.hidden
                )
            )

    def _tables(self, sections: Sequence[Section]) -> None:
        for number, section in enumerate(sections):
            if number:
                self.stdout.write("")
            if section.text:
                self.stdout.write(section.text)
                continue
            rows = visible(section, keep_empty=bool(self.choice.columns) and not number)
            if is_rich(self.stdout):
                write_rich_table(self.stdout, rows, section.style, color=self.color)
            else:
                self.stdout.write(written_table(rows, section.numbers))


def add_format(parser: CommandParser, formats: Sequence[str] = FORMATS) -> None:
    """Add the option that chooses the format of ``Output``."""
    said = {
        "table": "table for people",
        "plain": "plain: one line each, cells separated by tabs",
        "json": "json: one document",
        "ndjson": "ndjson: one object a line",
    }
    text = "; ".join(said[one] for one in formats)
    parser.add_argument("--format", choices=formats, default=formats[0], help=f"{text} (default: {formats[0]})")


def key(title: str) -> str:
    """The key of records that a column's title stands for."""
    return title.strip().lower().replace("-", "_").replace("/", "_per_")


def _picked(row: Mapping[str, Any], columns: Sequence[str], key_of: Callable[[str], str]) -> dict[str, Any]:
    """Those parts of ``row`` that ``columns`` name, in their order."""
    known = {key_of(title): title for title in row}
    return {known[key(column)]: row[known[key(column)]] for column in columns if key(column) in known}


def _no_column(name: str, known: Sequence[str]) -> SelectionError:
    names = list(dict.fromkeys(known))
    close = get_close_matches(key(name), names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return SelectionError(f"There is no column {name!r}.{hint} There are: {', '.join(names)}.")


def _comparable(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)


def _plain_cell(section: Section, record: Mapping[str, Any], title: str, cell: str) -> str:
    value = record.get(key(title), cell)
    if title not in section.numbers or isinstance(value, list):
        return one_line(cell)
    return "" if value is None else one_line(str(value))


def visible(section: Section, keep_empty: bool = False) -> list[Row]:
    """The rows without hidden columns and without those that have nothing in them."""
    titles = [
        title
        for title in section.rows[0]
        if title not in section.hidden and (keep_empty or any(row[title] for row in section.rows))
    ]
    return [{title: row[title] for title in titles} for row in section.rows]
