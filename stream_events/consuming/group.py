"""The verbs of one stream and group: what consuming knows of reply shapes and milliseconds is here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import redis

from stream_events.consuming.options import FIRST
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError

CHUNK = 500  # entries in one command: keeps every call short for the server
T = TypeVar("T")
START = "0-0"  # the cursor before the first pending entry

_SCRIPTS = Path(__file__).with_name("scripts")
_LEAVE = (_SCRIPTS / "leave.lua").read_text()
_HAND_BACK = (_SCRIPTS / "hand_back.lua").read_text()


class Group:
    """One consumer's view of the group ``name`` of the stream in ``key``.

    ``reader`` waits for entries, on connections that the server knows by the consumer's name; ``client`` does
    everything else. Ids are strings, times are seconds.
    """

    def __init__(self, key: str, name: str, consumer: str, *, reader: redis.Redis, client: redis.Redis) -> None:
        self.key = key
        self.name = name
        self.consumer = consumer
        self._reader = reader
        self._client = client
        self._leave = client.register_script(_LEAVE)
        self._hand_back = client.register_script(_HAND_BACK)

    def ensure(self, start: str = FIRST) -> bool:
        """Create the group at ``start`` (an entry id, 0 or $) where it is missing; True when it was.

        Never moves a group that exists. Raises ``ConfigurationError`` when the key holds no stream.
        """
        try:
            self._client.xgroup_create(self.key, self.name, id=start, mkstream=True)
        except redis.ResponseError as error:
            if str(error).startswith("BUSYGROUP"):
                return False
            if str(error).startswith("WRONGTYPE"):
                raise ConfigurationError(
                    f"The key {self.key!r} exists and is not a stream. Rename one of them, or set KEY_PREFIX."
                ) from error
            if "Invalid stream ID" in str(error):
                raise ConfigurationError(f"A group cannot start at {start!r}; give an entry id.") from error
            raise
        return True

    def read(self, count: int, block: float | None) -> list[Entry]:
        """Up to ``count`` new entries, waiting ``block`` seconds for the first; None does not wait."""
        milliseconds = None if block is None else max(1, round(block * 1000))
        reply = self._reader.xreadgroup(self.name, self.consumer, {self.key: ">"}, count=count, block=milliseconds)
        return [Entry(entry_id.decode(), fields) for entry_id, fields in _entries(reply)]

    def claim(self, idle: float, count: int, cursor: str) -> tuple[str, list[Entry]]:
        """Claim up to ``count`` entries that were pending for ``idle`` seconds; returns (next cursor, entries).

        The cursor is where to go on; ``START`` again means that the list was seen to its end. Redis 6.2 gives
        nothing for an entry that was trimmed, later versions drop it from the pending list.
        """
        reply: Any = self._client.xautoclaim(
            self.key, self.name, self.consumer, round(idle * 1000), start_id=cursor, count=count
        )
        claimed = [(raw_id, fields) for raw_id, fields in reply[1] if raw_id is not None]
        pipeline = self._client.pipeline(transaction=False)
        for raw_id, _ in claimed:
            pipeline.xpending_range(self.key, self.name, raw_id, raw_id, 1)
        entries = [
            # Somebody else may have acknowledged it since; then it has no count any more.
            Entry(raw_id.decode(), fields, pending[0]["times_delivered"] if pending else 1)
            for (raw_id, fields), pending in zip(claimed, pipeline.execute(), strict=True)
        ]
        return reply[0].decode(), entries

    def ack(self, entry_ids: Sequence[str]) -> None:
        """Acknowledge entries; ids that are not pending are no error."""
        for chunk in _chunks(entry_ids):
            self._client.xack(self.key, self.name, *chunk)

    def hand_back(self, entries: Sequence[Entry], idle: float) -> None:
        """Make entries that were not started look as if they had been pending for ``idle`` seconds.

        Their delivery counts go back by one, so that being handed back costs them nothing. An entry that another
        consumer has claimed meanwhile stays there.
        """
        for chunk in _chunks(entries):
            pairs = [value for entry in chunk for value in (entry.entry_id, entry.delivery_count - 1)]
            self._hand_back(keys=[self.key], args=[self.name, self.consumer, round(idle * 1000), *pairs])

    def last_id(self) -> str:
        """The id of the newest entry that the stream ever had."""
        info = self._client.xinfo_stream(self.key)
        return str(info["last-generated-id"].decode())

    def pending_count(self) -> int:
        """How many entries the whole group holds; none when there is no such group."""
        try:
            return int(self._client.xpending(self.key, self.name)["pending"])
        except redis.ResponseError as error:
            if str(error).startswith("NOGROUP"):
                return 0
            raise

    def wake(self) -> None:
        """End a read that waits, from another thread; the server then answers it with nothing."""
        for connection in self._client.client_list(_type="normal"):
            if connection["name"] == self.consumer:
                self._client.client_unblock(int(connection["id"]))

    def leave(self) -> bool:
        """Remove the consumer from the group unless it still holds entries; True when it was removed."""
        return bool(self._leave(keys=[self.key], args=[self.name, self.consumer]))

    def remove_idle(self, idle: float) -> None:
        """Remove consumers that hold nothing and were idle for ``idle`` seconds.

        One that lives after all, waiting for entries, is made again by Redis with the next entry that it reads.
        """
        consumers: Any = self._client.xinfo_consumers(self.key, self.name)
        for one in consumers:
            if not one["pending"] and one["idle"] > idle * 1000:
                self._leave(keys=[self.key], args=[self.name, one["name"]])


def follows(entry_id: str, other: str) -> bool:
    """Whether ``entry_id`` is newer than ``other``."""
    return _parts(entry_id) > _parts(other)


def _parts(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _entries(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of the one stream that was read, in any shape that redis-py gives.

    ``[[key, entries]]`` is its default, ``{key: [entries]}`` comes with ``protocol=3``, and ``{key: entries}``
    with ``legacy_responses=False``.
    """
    if not reply:
        return []
    entries = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    if entries and isinstance(entries[0], list):
        entries = entries[0]
    return list(entries)
