"""One page of a long list, and how far it had to look for it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stream_events.exceptions import ConfigurationError

STEP = 1000  # rows in one command: what a server answers in a millisecond or two

_ENTRY_ID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")
_HIGHEST = 2**64 - 1  # in each part of an id

Place = tuple[int, int]  # an entry id as numbers, in the order of the stream
LAST: Place = (_HIGHEST, _HIGHEST)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """``rows`` of a list of ``total``, filters left out of account; ``after`` is where to go on, None at its end.

    With a filter that no index serves, ``scanned`` rows were looked at. ``is_cut`` says that the budget for that was
    spent before the page was full: there may be more after ``after``.
    """

    rows: tuple[T, ...] = ()
    total: int = 0
    after: str | None = None
    scanned: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What one page may spend on looking for rows that a filter lets through."""

    rows: int = 100_000
    seconds: float = 0.15


DEFAULT_BUDGET = Budget()


class Spending:
    """What is spent of ``budget`` since this was made; a hundred rows are always looked at, so that all go on."""

    def __init__(self, budget: Budget) -> None:
        self.rows = 0
        self._budget = budget
        self._deadline = time.monotonic() + budget.seconds

    def is_over(self) -> bool:
        return self.rows >= self._budget.rows or (self.rows >= 100 and time.monotonic() > self._deadline)


def fill(
    found: Iterable[tuple[str, R]], make: Callable[[R], T | None], size: int, budget: Budget, total: int = 0
) -> Page[T]:
    """The first ``size`` of what ``make`` makes of ``found``, which are ids and rows; it leaves out with None."""
    rows: list[T] = []
    spending, last = Spending(budget), ""

    def page(after: str | None, *, is_cut: bool = False) -> Page[T]:
        return Page(rows=tuple(rows), total=total, after=after, scanned=spending.rows, is_cut=is_cut)

    for entry_id, row in found:
        if len(rows) >= size:
            return page(last)
        if spending.is_over():
            return page(last, is_cut=True)
        spending.rows += 1
        last = entry_id
        if (made := make(row)) is not None:
            rows.append(made)
    return page(None)


def checked_id(entry_id: str) -> str:
    """``entry_id`` if an entry can have it; raises ``ConfigurationError`` otherwise."""
    if not _ENTRY_ID.fullmatch(entry_id) or max(map(int, entry_id.split("-"))) > _HIGHEST:
        raise ConfigurationError(f"{entry_id!r} is no entry id; ids look like 1767225600000-0.")
    return entry_id


def place(entry_id: str) -> Place:
    """``entry_id`` as numbers; raises ``ConfigurationError`` for what is no id."""
    first, _, second = checked_id(entry_id).partition("-")
    return int(first), int(second or 0)


def entry_id_at(where: Place) -> str:
    return "{}-{}".format(*where)


def span(since: str = "", until: str = "", *, after: str = "", before: str = "") -> tuple[Place, Place]:
    """The first and the last place from ``since`` to ``until`` that lie behind ``after`` and ahead of ``before``.

    Raises ``ConfigurationError`` for what is no id. The first comes behind the last where there is no such place.
    """
    first, last = (0, 0), LAST
    if since:
        first = place(since)
    if until:
        last = place(until) if "-" in until else (place(until)[0], _HIGHEST)
    if after:
        milliseconds, sequence = place(after)
        first = max(first, (milliseconds, sequence + 1) if sequence < _HIGHEST else (milliseconds + 1, 0))
    if before:
        milliseconds, sequence = place(before)
        last = min(last, (milliseconds, sequence - 1) if sequence else (milliseconds - 1, _HIGHEST))
    return first, last
