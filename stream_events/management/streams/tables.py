"""Tables for people: by rich on a terminal, else in plain text; one thing below the other where it is too narrow."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.management.base import OutputWrapper

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Row = Mapping[str, str]  # the text of each cell by the title of its column; empty where there is nothing to say

_BOLD = "bold"
_GAP = 2  # between two columns
_FOLDED = 24  # characters; cells that are longer may be folded

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


def is_rich(stdout: OutputWrapper) -> bool:
    """Whether somebody watches, and the extra “cli” is there; what reads a file expects no line to be broken."""
    return bool(stdout.isatty()) and importlib.util.find_spec("rich") is not None


def write_rich_table(stdout: OutputWrapper, rows: Sequence[Row], numbers: Collection[str], *, color: bool) -> None:
    from rich.console import Console  # of the extra “cli”, so it may be missing

    file: Any = getattr(stdout, "_out", stdout)
    console = Console(file=file, no_color=not color or None, highlight=False)
    console.print(table_for(rows, numbers, console.width, color=color))


def table_for(rows: Sequence[Row], numbers: Collection[str], width: int, *, color: bool) -> RenderableType:
    """A table, or where ``width`` is too little for it, each row as lines of a title and a cell."""
    from rich.table import Table
    from rich.text import Text

    if _least_width(rows) > width:
        return Text("\n\n").join(_card(row, color) for row in rows)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style=_BOLD if color else "")
    for title in rows[0]:
        is_long = max(len(row[title]) for row in rows) > _FOLDED
        align: Any = "right" if title in numbers else "left"
        table.add_column(title, justify=align, overflow="fold", no_wrap=not is_long)
    for row in rows:
        # Not markup: names may have brackets.
        table.add_row(*(Text(one_line(cell), style=_style(title, cell, color)) for title, cell in row.items()))
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


def _style(title: str, cell: str, color: bool) -> str:
    return _COLORS.get(cell, "") if color and title in _COLORED else ""


def _least_width(rows: Sequence[Row]) -> int:
    """How narrow a table of ``rows`` can become without breaking what is short."""
    widest = [max(len(title), *(min(len(row[title]), _FOLDED) for row in rows)) for title in rows[0]]
    return sum(widest) + _GAP * (len(widest) - 1)


def _card(row: Row, color: bool) -> Text:
    from rich.text import Text

    width = max(map(len, row))
    lines = [
        Text.assemble((title.ljust(width + _GAP), _BOLD * color), (one_line(cell), _style(title, cell, color)))
        for title, cell in row.items()
        if cell
    ]
    return Text("\n").join(lines)
