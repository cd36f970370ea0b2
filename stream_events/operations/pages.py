"""One page of a long list, and how far it had to look for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

STEP = 1000  # rows in one command: what a server answers in a millisecond or two

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
