"""Consumers of groups: whether they live, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class ConsumerState(StrEnum):
    RUNNING = "running"  # its lease is alive
    GONE = "gone"  # its lease ran out
    FOREIGN = "foreign"  # it has none: of another program
    WAITING = "waiting"  # no consumer, but the owner of entries that wait for a retry


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerInfo:
    """One consumer of a group; ``host`` and ``pid`` are those in its name, if it is of this package."""

    stream: str
    group: str
    name: str
    state: ConsumerState
    pending: int
    idle: timedelta  # since it last asked for entries
    inactive: timedelta | None  # since it last got any; None before Redis 7.2
    lease_left: timedelta | None
    host: str = ""
    pid: int | None = None
    oldest: str = ""  # the id of the first entry that it holds


def group_consumers(stream: str, group: str) -> list[ConsumerInfo]:
    """The consumers of ``group``: those that hold most first."""
    raise NotImplementedError


def consumers(streams: list[str]) -> list[ConsumerInfo]:
    """Those of all groups of ``streams``, in a fixed number of round trips."""
    raise NotImplementedError
