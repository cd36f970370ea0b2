"""Where a consumer without a group remembers how far it has come: in memory, in a file, or in Redis.

Each consumer needs a position of its own: of two that share one, the slower would lose events when it starts again.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import redis

from stream_events.consuming.feed import Feed
from stream_events.durable import replace_file
from stream_events.exceptions import ConfigurationError
from stream_events.keys import check_position

_ENTRY_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_HIGHEST = 2**64 - 1  # in each part of an id


class Position(Protocol):
    """Remembers the id of the last entry of a stream that was handled, or passed over."""

    def load(self, feed: Feed) -> str | None:
        """The id that was saved; None if there is none. Raises ``ConfigurationError`` for what is no id."""

    def save(self, feed: Feed, entry_id: str) -> None:
        """Remember ``entry_id``; raises ``OSError`` or ``redis.RedisError`` when that fails now."""


class MemoryPosition:
    """Forgotten when the program ends; may be given to the next consumer of the same program."""

    def __init__(self) -> None:
        self._entry_id: str | None = None

    def load(self, feed: Feed) -> str | None:
        return self._entry_id

    def save(self, feed: Feed, entry_id: str) -> None:
        self._entry_id = entry_id


@dataclass(frozen=True, slots=True)
class FilePosition:
    """In the file ``path``, which is replaced as a whole, and also says which stream it is about."""

    path: str | os.PathLike[str]

    def load(self, feed: Feed) -> str | None:
        try:
            found = json.loads(Path(self.path).read_text(encoding="utf-8"))
            stream, entry_id = found["stream"], found["entry_id"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(
                f"{self.path} cannot be read as the position of a consumer: {error!r}. {_REMEDY}"
            ) from error
        if stream != feed.key:
            raise ConfigurationError(
                f"{self.path} is the position in the stream {stream!r}, not {feed.key!r}. Name another file."
            )
        return checked_id(entry_id, f"the position in {self.path}", _REMEDY)

    def save(self, feed: Feed, entry_id: str) -> None:
        replace_file(Path(self.path), json.dumps({"stream": feed.key, "entry_id": entry_id}))


@dataclass(frozen=True, slots=True)
class KeyPosition:
    """In a Redis key beside the stream, called ``name``; raises ``ConfigurationError`` for an impossible name."""

    name: str

    def __post_init__(self) -> None:
        check_position(self.name)

    def load(self, feed: Feed) -> str | None:
        key = feed.position_key(self.name)
        try:
            found = feed.client.get(key)
        except redis.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            raise ConfigurationError(f"The key {key!r} holds no position. Choose another name.") from error
        if not isinstance(found, bytes):
            return None
        return checked_id(found.decode("utf-8", "replace"), f"the position in the key {key!r}", _REMEDY)

    def save(self, feed: Feed, entry_id: str) -> None:
        feed.client.set(feed.position_key(self.name), entry_id)


_REMEDY = "Delete it to begin anew, or write the id of the last handled entry into it."


def checked_id(entry_id: object, what: str, remedy: str) -> str:
    """``entry_id`` with both of its parts; raises ``ConfigurationError`` when no entry can have it."""
    match = _ENTRY_ID.fullmatch(entry_id) if isinstance(entry_id, str) else None
    parts = [int(part or 0) for part in match.groups()] if match else []
    if not parts or max(parts) > _HIGHEST:
        raise ConfigurationError(f"{what} is {entry_id!r}, which is no entry id such as 1700000000000-0. {remedy}")
    return f"{parts[0]}-{parts[1]}"


def position_from(text: str) -> Position:
    """The position that ``memory``, ``file:PATH`` or ``key:NAME`` names; raises ``ConfigurationError``."""
    kind, _, rest = text.partition(":")
    if text == "memory":
        return MemoryPosition()
    if kind == "file" and rest:
        return FilePosition(rest)
    if kind == "key" and rest:
        return KeyPosition(rest)
    raise ConfigurationError(f"A position is memory, file:PATH or key:NAME, got {text!r}.")
