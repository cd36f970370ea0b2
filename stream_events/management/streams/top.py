"""``manage.py streams top``: the groups, the worst first, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from stream_events.conf import get_settings
from stream_events.connections import UNAVAILABLE, explain, safe_url
from stream_events.management.streams import groups
from stream_events.management.streams.display import clock
from stream_events.management.streams.names import find_streams
from stream_events.management.streams.output import Output, Section, visible
from stream_events.management.streams.reading import WATCH, add_names, add_utc, interval, show
from stream_events.management.streams.tables import console_for, is_rich, table_for

if TYPE_CHECKING:
    from rich.console import RenderableType

HELP = "Shows the groups, worst health first, as they change, until CONTROL-C."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, stream="only its groups (default: those of all streams that the project declares)")
    parser.add_argument(
        "--every", dest="watch", type=interval, default=WATCH, metavar="SECONDS", help=f"look so often ({WATCH:g})"
    )
    add_utc(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    def look() -> Section:
        return groups.section(find_streams(options["stream"]))

    if not is_rich(output.stdout):
        show(output, options, lambda: [look(), Section("server", {}, text=_headline(output, ""))])
        return
    try:
        _live(output, options["watch"], look)
    except KeyboardInterrupt:
        return


def _live(output: Output, every: float, look: Callable[[], Section]) -> None:
    from rich.console import Group  # of the extra “cli”
    from rich.live import Live
    from rich.text import Text

    console = console_for(output.stdout, color=output.color)
    section, trouble = look(), ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            said = Text(_headline(output, trouble), style="bold red" if trouble and output.color else "")
            live.update(Group(said, Text(""), *_table(section, console.width, output.color)), refresh=True)
            time.sleep(every)
            try:
                section, trouble = look(), ""
            except UNAVAILABLE as error:
                trouble = explain(error)


def _table(section: Section, width: int, color: bool) -> list[RenderableType]:
    if not section.rows:
        return ["There is no group yet."]
    return [table_for(visible(section), section.style, width, color=color)]


def _headline(output: Output, trouble: str) -> str:
    now = clock(datetime.now(UTC), utc=output.utc)
    where = safe_url(get_settings().url)
    if trouble:
        return f"{now}  Redis at {where} cannot be reached: {trouble}; trying again"
    return f"{now}  {where}  Quit with CONTROL-C."
