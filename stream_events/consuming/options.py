"""How a consumer is to run, and what it reports when it has run."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass

from stream_events.conf import Settings
from stream_events.consuming.place import start_id
from stream_events.exceptions import ConfigurationError
from stream_events.registration import Handler

FIRST = "0"  # the position before the oldest entry
MOST_LANES = 1000

_NAME = re.compile(r"[!-~]*")  # what Redis takes as the name of a connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """How one consumer runs; None takes the setting of that name, or sets no limit. Times are seconds.

    Raises ``ConfigurationError`` for a value that cannot be.
    """

    consumer: str = ""  # the beginning of its name in the group; the host's name when empty
    threads: int = 1  # lanes: events of one object stay in order, those of others run side by side
    count: int | None = None  # entries per read, at most
    block: float | None = None  # how long one read waits for entries
    create_from: str | None = None  # where a group that is missing begins: an id, earliest, or latest
    drain: bool = False  # end when everything that was there at the start is handled
    max_events: int | None = None  # end when so many events were started
    max_seconds: float | None = None
    shutdown_timeout: float | None = None  # what running handlers are given when the consumer stops
    handlers: tuple[Handler, ...] = ()  # those that are registered, unless given
    settings: Settings | None = None  # the project's, unless given
    abandon: Callable[[BaseException], None] | None = None  # called when a handler cannot be waited for any longer

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.consumer):
            raise ConfigurationError(f"A consumer's name has no spaces and only ASCII, got {self.consumer!r}.")
        check_numbers(self, "count", "max_events", "threads")
        check_times(self, "block", "max_seconds", "shutdown_timeout")
        if self.threads > MOST_LANES:
            raise ConfigurationError(
                f"threads must be at most {MOST_LANES}, got {self.threads}; start more consumers."
            )
        _ = self.first

    @property
    def first(self) -> str | None:
        """``create_from`` as an id, or ``LATEST``; None if it is not given, which means the first entry."""
        return None if self.create_from is None else start_id(self.create_from, "create_from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a consumer did, in entries; ``left`` is what the group still holds after draining."""

    started: int = 0  # once more for each retry
    failed: int = 0  # calls of handlers that raised
    dead: int = 0  # dead letters written
    adopted: int = 0  # taken over from consumers that are gone
    trimmed: int = 0  # gone from the stream while they were pending
    unhandled: int = 0  # wanted by no handler
    left: int = 0

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


def check_numbers(options: object, *names: str) -> None:
    """Raise ``ConfigurationError`` unless these options are at least 1, where they are given."""
    for name in names:
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}.")


def check_times(options: object, *names: str) -> None:
    """Raise ``ConfigurationError`` unless these options are above 0, where they are given."""
    for name in names:
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int | float) or value <= 0):
            raise ConfigurationError(f"{name} must be a number of seconds above 0, got {value!r}.")


def unique_name(beginning: str = "") -> str:
    """The name of one consumer, which no other has: ``beginning``, or the host's name, and what makes it unique."""
    return f"{beginning or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
