"""How a consumer is to run, and what it reports when it has run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stream_events.exceptions import ConfigurationError

FIRST = "0"  # the position before the oldest entry

_NAME = re.compile(r"[!-~]*")  # what Redis takes as the name of a connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """How one consumer runs; None takes the setting of that name, or sets no limit. Times are seconds.

    Raises ``ConfigurationError`` for a value that cannot be.
    """

    consumer: str = ""  # the beginning of its name in the group; the host's name when empty
    count: int | None = None  # entries per read, at most
    block: float | None = None  # how long one read waits for entries
    create_from: str = FIRST  # where a group that does not exist yet begins
    drain: bool = False  # end when everything that was there at the start is handled
    max_events: int | None = None  # end when so many events were started
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.consumer):
            raise ConfigurationError(f"A consumer's name has no spaces and only ASCII, got {self.consumer!r}.")
        for name in ("count", "max_events"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}.")
        for name in ("block", "max_seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} must be a number of seconds above 0, got {value!r}.")


@dataclass(frozen=True, slots=True)
class Report:
    """What a consumer did: events it started, and entries the group still holds after draining."""

    started: int
    left: int
