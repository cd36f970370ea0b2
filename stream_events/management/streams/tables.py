"""Tables for people: by rich on a terminal, else in plain text; one thing below the other where it is too narrow."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from django.core.management.base import OutputWrapper

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

Row = Mapping[str, str]  # the text of each cell by the title of its column; empty where there is nothing to say

_BOLD = "bold"
_GAP = 2  # between two columns
_CUT = 11  # characters that are left at least of a cell that is cut,
_FOLDED = 20  # and in a line of one that is folded

# A word says the same as its colour does.
_COLORS = {
    "ok": "green",
    "running": "green",
    "processing": "green",
    "behind": "yellow",
    "waiting": "yellow",
    "failing": "yellow",
    "overdue": "yellow",
    "stalled": "bold red",
    "broken": "bold red",
    "abandoned": "bold red",
    "deleted": "red",
    "gone": "red",
}
_COLORED = ("HEALTH", "STATE")


@dataclass(frozen=True, slots=True)
class Style:
    """Titles of columns: ``numbers`` stand at the right.

    Where room is scarce, ``elastic`` cells are cut, those that are ``folded`` go on in the next line, and columns that
    are ``spare`` are left out.
    """

    numbers: frozenset[str] = frozenset()
    elastic: frozenset[str] = frozenset()
    folded: frozenset[str] = frozenset()
    spare: frozenset[str] = frozenset({"PAYLOAD"})


def is_rich(stdout: OutputWrapper) -> bool:
    """Whether somebody watches, and the extra “cli” is there; what reads a file expects no line to be broken."""
    return bool(stdout.isatty()) and importlib.util.find_spec("rich") is not None


def console_for(stdout: OutputWrapper, *, color: bool) -> Console:
    from rich.console import Console  # of the extra “cli”, so it may be missing

    file: Any = getattr(stdout, "_out", stdout)
    return Console(file=file, no_color=not color or None, highlight=False)


def write_rich_table(stdout: OutputWrapper, rows: Sequence[Row], style: Style, *, color: bool) -> None:
    console = console_for(stdout, color=color)
    console.print(table_for(rows, style, console.width, color=color))


def table_for(rows: Sequence[Row], style: Style, width: int, *, color: bool) -> RenderableType:
    """A table, or where ``width`` is too little for it, each row as lines of a title and a cell."""
    from rich.table import Table
    from rich.text import Text

    room = _rooms(rows, style, width)
    if room is None:
        return Text("\n\n").join(_card(row, style, width, color) for row in rows)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style=_BOLD if color else "")
    for title, share in room.items():
        align: Any = "right" if title in style.numbers else "left"
        is_folded = title in style.folded
        table.add_column(title, justify=align, no_wrap=not is_folded, overflow="fold", width=share)
    for row in rows:
        cells = []
        for title, share in room.items():
            cell = one_line(row[title])
            text = cell if title in style.folded else cut(cell, share)
            cells.append(Text(text, style=_color(title, cell, color)))  # not markup: names may have brackets
        table.add_row(*cells)
    return table


def written_table(rows: Sequence[Row], numbers: Collection[str]) -> str:
    return "\n".join(aligned(rows, numbers))


def aligned(rows: Sequence[Row], numbers: Collection[str] = ()) -> list[str]:
    """``rows`` under their titles, in columns as wide as what is in them."""
    titles = list(rows[0])
    lines = [titles, *([one_line(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        (" " * _GAP)
        .join(
            cell.rjust(width) if title in numbers else cell.ljust(width)
            for title, cell, width in zip(titles, line, widths, strict=True)
        )
        .rstrip()
        for line in lines
    ]


def one_line(cell: str) -> str:
    return "".join(one if one.isprintable() else " " for one in cell)


def cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


def _color(title: str, cell: str, color: bool) -> str:
    return _COLORS.get(cell, "") if color and title in _COLORED else ""


def _rooms(rows: Sequence[Row], style: Style, width: int) -> dict[str, int] | None:
    """How wide each column is in a table of ``width``; None where that is too little."""
    wanted = {title: max(len(title), *(len(row[title]) for row in rows)) for title in rows[0]}
    soft = {title: min(wanted[title], _FOLDED if title in style.folded else _CUT) for title in wanted}
    soft = {title: least for title, least in soft.items() if title in style.elastic | style.folded}
    while True:
        rest = width - _GAP * (len(wanted) - 1) - sum(wanted[title] for title in wanted if title not in soft)
        if rest >= sum(soft.values()):
            break
        spare = next((title for title in soft if title in style.spare and len(soft) > 1), None)
        if spare is None:
            return None
        del wanted[spare], soft[spare]
    # The narrowest take what they need; what they leave is for the others.
    for left, title in zip(range(len(soft), 0, -1), sorted(soft, key=lambda one: wanted[one]), strict=True):
        wanted[title] = min(wanted[title], max(soft[title], rest // left))
        rest -= wanted[title]
    return wanted


def _card(row: Row, style: Style, width: int, color: bool) -> Text:
    from rich.text import Text

    margin = max(map(len, row)) + _GAP
    room = max(_FOLDED, width - margin)
    lines = []
    for title, cell in row.items():
        if cell:
            said = one_line(cell)
            parts = [cut(said, room)] if title in style.elastic else wrap(said, room)
            text = f"\n{' ' * margin}".join(parts)
            lines.append(Text.assemble((title.ljust(margin), _BOLD * color), (text, _color(title, cell, color))))
    return Text("\n").join(lines)
