"""What streams and groups looked like, minute by minute: taken by consumers, kept in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Span(Enum):
    """How far back a series goes, and the seconds between two of its points."""

    HOUR = ("1h", 3600, 60)
    DAY = ("24h", 86400, 60)
    WEEK = ("7d", 7 * 86400, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One group of one stream at one moment, in counters; None is what Redis did not know."""

    at: datetime
    length: int
    added: int | None  # entries that the stream ever got
    read: int | None  # entries that the group ever read
    pending: int
    lag: int | None
    time_lag: float | None  # seconds
    oldest_idle: float | None  # seconds
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the charts draw: rates a minute and gauges; None is a gap."""

    at: datetime
    incoming: float | None
    handled: float | None
    lag: float | None
    time_lag: float | None
    pending: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The points of one group, oldest first, evenly spaced; without a group ``incoming`` only."""

    stream: str
    group: str
    points: tuple[Point, ...]


def take_sample() -> bool:
    """Write this minute's samples of the project's streams, unless somebody has; True when this call did.

    Never raises because of Redis: what cannot be sampled now is a gap.
    """
    raise NotImplementedError


def series(stream: str, group: str, span: Span) -> Series:
    """What is known of one group over ``span``."""
    raise NotImplementedError


def recent_series(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Series]:
    """The last hour of many groups, in one round trip, for the sparklines of a list."""
    raise NotImplementedError
