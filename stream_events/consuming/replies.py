"""What Redis answers, as values of this package; and what it is told in numbers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import redis

from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError

CHUNK = 500  # entries in one command: keeps every call short for the server, and is below Lua's limit
T = TypeVar("T")


def follows(entry_id: str, other: str) -> bool:
    """Whether ``entry_id`` is newer than ``other``."""
    return _parts(entry_id) > _parts(other)


def is_group_gone(error: redis.RedisError) -> bool:
    """Whether ``error`` says that the group, or its stream, does not exist any more.

    A reader that waits is told UNBLOCKED by Redis 7.0 when its key goes, NOGROUP by every other version. When
    the server became a replica, UNBLOCKED means something else.
    """
    text = str(error)
    return any(words in text for words in ("NOGROUP", "no such key", "UNBLOCKED the stream key no longer exists"))


def is_absent(error: redis.RedisError) -> bool:
    """Whether there is no such stream or group: the key is missing, or holds something else."""
    return is_group_gone(error) or "WRONGTYPE" in str(error)


def is_out_of_memory(error: redis.RedisError) -> bool:
    """Whether Redis refused for ``maxmemory``; from a script, versions before 7 say so in a plain error."""
    return "used memory > 'maxmemory'" in str(error)


def no_stream(key: str) -> ConfigurationError:
    """What to say of a key that holds something else."""
    return ConfigurationError(f"The key {key!r} exists and is not a stream. Rename one of them, or set KEY_PREFIX.")


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def flat(pairs: Mapping[Any, Any]) -> list[Any]:
    return [value for pair in pairs.items() for value in pair]


def decoded(ids: Iterable[bytes]) -> list[str]:
    return [one.decode() for one in ids]


def claimed(reply: Sequence[Any]) -> list[Entry]:
    """Entries from ids and delivery counts in turn; their fields stayed on the server."""
    return [Entry(one.decode(), {}, count, False) for one, count in zip(reply[::2], reply[1::2], strict=True)]


def new_entries(reply: Any) -> list[Entry]:
    """The entries of the one stream that was read, in any shape that redis-py gives.

    ``[[key, entries]]`` is its default, ``{key: [entries]}`` comes with ``protocol=3``, and ``{key: entries}``
    with ``legacy_responses=False``.
    """
    if not reply:
        return []
    rows = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    if rows and isinstance(rows[0], list):
        rows = rows[0]
    return [Entry(entry_id.decode(), fields) for entry_id, fields in rows]


def _parts(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
