"""Who has changed what: a capped stream in Redis, a logger and a signal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stream_events.operations.pages import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One slice of what an operator did."""

    id: str
    at: datetime
    actor: str
    via: str
    verb: str
    stream: str
    group: str
    done: int
    skipped: int
    batch: str = ""
    detail: str = ""  # the filter, or the first ids


def acts(*, stream: str = "", before: str = "", size: int = 50) -> Page[Act]:
    """What operators did, newest first."""
    raise NotImplementedError
