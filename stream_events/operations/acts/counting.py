"""How many entries lie between two places, as far as one may look."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from stream_events.operations.numbers import counted, number
from stream_events.operations.pages import Budget, Spending
from stream_events.operations.places import Place
from stream_events.operations.walking import walk

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

BUDGET = Budget(rows=100_000, seconds=0.15)
_FIRST_STEP = 200  # entries


class Count(NamedTuple):
    """``number`` of entries; there may be more unless it is exact."""

    number: int
    is_exact: bool = True

    def __str__(self) -> str:
        return number(self.number) if self.is_exact else f"≥ {number(self.number)}"

    def told(self, text: StrPromise, **named: Any) -> str:
        """``text`` with the count in it: see ``numbers.counted``."""
        return counted(text, self.number, str(self), **named)


def count_entries(key: bytes, first: Place, last: Place, counts: int = 1) -> Count:
    """The entries of the stream ``key`` from ``first`` to ``last``; ``counts`` of them share the time of one."""
    spending = Spending(replace(BUDGET, seconds=BUDGET.seconds / counts))
    for _ in walk(key, first, last, _FIRST_STEP):
        if spending.is_over():
            return Count(spending.rows, is_exact=False)
        spending.rows += 1
    return Count(spending.rows)
