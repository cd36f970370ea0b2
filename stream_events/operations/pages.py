"""One page of a long list, and how far it had to look for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


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
    seconds: float = 0.2


DEFAULT_BUDGET = Budget()
