"""How far a command has come, on stderr: a bar where somebody watches, and plain lines elsewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Iterator
from typing import Any, Protocol

_WATCHED = 1.0  # seconds between two lines on a terminal, where the library for a bar is missing
_LOGGED = 5.0  # and where a file or a pipe takes them


class Advance(Protocol):
    """Is told how many more are done, of how many where that is known only now, and what else there is to say."""

    def __call__(self, count: int, *, total: int | None = None, note: str = "") -> None: ...


@contextlib.contextmanager
def showing(stream: Any, total: int | None, *, done: int = 0, color: bool = True) -> Iterator[Advance]:
    """Show on ``stream`` how many of ``total`` are done; gives the function that is told of those that are.

    None is a total that nobody knows. ``done`` were so before.
    """
    stream = getattr(stream, "_out", stream)  # not Django's wrapper, which colours every line as an error
    if not stream.isatty():
        yield Lines(stream, total, every=_LOGGED, done=done).advance
    elif importlib.util.find_spec("rich") is None:
        yield Lines(stream, total, every=_WATCHED, done=done).advance
    else:
        with _bar(stream, total, done, color) as advance:
            yield advance


class Lines:
    """One plain line every so many seconds."""

    def __init__(self, stream: Any, total: int | None, *, every: float, done: int = 0) -> None:
        self._stream = stream
        self._total = total
        self._every = every
        self._done = self._before = done
        self._started = self._said = time.monotonic()

    def advance(self, count: int, *, total: int | None = None, note: str = "") -> None:
        self._done += count
        self._total = self._total if total is None else total
        now = time.monotonic()
        if self._done > self._before and now - self._said >= self._every:
            self._said = now
            self._stream.write(f"{self._line(now - self._started)}{f', {note}' if note else ''}\n")
            self._stream.flush()

    def _line(self, elapsed: float) -> str:
        rate = (self._done - self._before) / elapsed
        if self._total is None:
            return f"{self._done:,}, {rate:,.0f} a second"
        rest = max(0, self._total - self._done) / rate
        share = self._done / self._total if self._total else 1
        return f"{self._done:,} of {self._total:,} ({share:.0%}), {rate:,.0f} a second, {duration(rest)} left"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextlib.contextmanager
def _bar(stream: Any, total: int | None, done: int, color: bool) -> Iterator[Advance]:
    from rich.console import Console  # not needed by anything else, so it may be missing
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(file=stream, no_color=not color or None)) as progress:
        row = progress.add_task("", total=total, completed=done, note="")

        def advance(count: int, *, total: int | None = None, note: str = "") -> None:
            progress.update(row, advance=count, total=total, note=note)

        yield advance
