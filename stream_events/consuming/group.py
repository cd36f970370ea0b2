"""The verbs of one stream and group: what consuming knows of reply shapes and milliseconds is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import redis

from stream_events.consuming.clients import Clients
from stream_events.consuming.options import FIRST
from stream_events.consuming.replies import (
    CHUNK,
    chunks,
    claimed,
    decoded,
    flat,
    follows,
    is_group_gone,
    is_out_of_memory,
    milliseconds,
    new_entries,
    no_stream,
)
from stream_events.consuming.scripts import Scripts
from stream_events.events import Entry
from stream_events.keys import GroupKeys

HOLD = 30.0  # seconds; as often is looked whether a waiting entry that was taken is still in hand
START = "-"  # before the first entry of a pending list


class Due(NamedTuple):
    """What ``Group.due`` found."""

    entries: list[Entry]
    trimmed: list[str]
    wait: float | None  # seconds until the next one is due; None if there is none
    waiting: int  # entries that wait, or have waited and are in somebody's hand
    has_requeued: bool


class Settled(Enum):
    """What ``Group.settle`` found."""

    DONE = "done"
    LOST = "lost"  # the entry is somebody else's by now
    TRIMMED = "trimmed"


class Verdict(NamedTuple):
    """What is to become of an entry: dead letters, and a wait of ``delay`` seconds if somebody still wants it."""

    letters: Sequence[Mapping[str, str | int]] = ()
    delay: float | None = None
    delivery_count: int = 0  # while it waits
    progress: bytes = b""
    error: bytes = b""  # how its handlers failed; without one, the last one stays


class Group:
    """One consumer's view of the group ``name`` of the stream ``keys.stream``.

    Ids are strings, times are seconds. Claimed entries come without their fields: ``start`` fetches them. With
    ``addressed``, entries are for this group only, and deleted when they are done with.
    """

    def __init__(
        self, keys: GroupKeys, name: str, consumer: str, clients: Clients, *, addressed: bool = False
    ) -> None:
        self.keys = keys
        self.name = name
        self.consumer = consumer
        self.addressed = addressed
        self.client = clients.command
        self._clients = clients
        self._scripts = Scripts(self.client, keys)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run one of the scripts, which all take the group's name first."""
        return self._scripts.run(script, [self.name, *arguments])

    def ensure(self, start: str = FIRST, *, keep_waiting: bool = False) -> bool:
        """Create the group at ``start`` (an entry id, 0 or $) where it is missing; True when it was.

        Never moves a group that exists. With ``keep_waiting``, what waited in the group that was lost waits again.
        Raises ``ConfigurationError`` when the key holds no stream.
        """
        try:
            return bool(self.run("create", start, int(keep_waiting)))
        except redis.ResponseError as error:
            # At maxmemory Redis refuses before it looks whether there is anything to do.
            if is_out_of_memory(error) and self._exists():
                return False
            if "WRONGTYPE" in str(error):
                raise no_stream(self.keys.stream) from error
            raise

    def _exists(self) -> bool:
        groups: Any = self.client.xinfo_groups(self.keys.stream)
        return self.name.encode() in {group["name"] for group in groups}

    def read(self, count: int, block: float | None, after: str = ">") -> list[Entry]:
        """Up to ``count`` new entries, waiting ``block`` seconds for the first; None does not wait.

        With an id for ``after``, those beyond it that the consumer holds, without waiting; trimmed ones have no
        fields.
        """
        wait = None if block is None else max(1, milliseconds(block))
        streams: dict[Any, Any] = {self.keys.stream: after}
        return new_entries(self._clients.reader.xreadgroup(self.name, self.consumer, streams, count=count, block=wait))

    def due(self, count: int) -> Due:
        """Take up to ``count`` waiting entries that are due."""
        arguments = (self.consumer, min(count, CHUNK), milliseconds(HOLD))
        taken, gone, wait, waiting, requeued = self.run("due", *arguments)
        return Due(claimed(taken), decoded(gone), None if wait < 0 else wait / 1000, waiting, bool(requeued))

    def start(self, entry: Entry) -> tuple[Entry, bytes] | None:
        """Count one more start of a claimed entry, and fetch it with its handlers' progress.

        None when it is somebody else's by now. One that was trimmed is acknowledged and comes without fields.
        """
        reply = self.run("start", self.consumer, entry.entry_id)
        if not reply:
            return None
        if len(reply) == 1:
            return entry._replace(fields={}), b""
        count, values, progress = reply
        fields = dict(zip(values[::2], values[1::2], strict=True))
        return entry._replace(fields=fields, delivery_count=count), progress

    def peek(self, entries: Sequence[Entry]) -> list[Entry]:
        """``entries`` with their fields, without starting them; one that was trimmed keeps none."""
        pipeline = self.client.pipeline(transaction=False)
        for entry in entries:
            pipeline.xrange(self.keys.stream, entry.entry_id, entry.entry_id)
        found = pipeline.execute()
        return [entry._replace(fields=rows[0][1] if rows else {}) for entry, rows in zip(entries, found, strict=True)]

    def ack(self, entry_ids: Sequence[str]) -> None:
        """Be done with entries; ids that are not pending are no error."""
        for chunk in chunks(entry_ids):
            if self.addressed:
                self.finish(chunk)
            else:
                self.client.xack(self.keys.stream, self.name, *chunk)

    def finish(self, entry_ids: Sequence[str]) -> None:
        """As ``ack``, for entries of which something is known beside the pending list."""
        self.run("finish", int(self.addressed), *entry_ids)

    def hand_back(self, entries: Iterable[Entry]) -> list[str]:
        """Let entries that were not started be taken by anybody, in this order, as if nobody had read them.

        What somebody else has taken meanwhile is left alone. Returns the ids of entries that were trimmed, which
        the consumer keeps.
        """
        trimmed: list[str] = []
        for chunk in chunks(list(entries)):
            triples: list[Any] = []
            for entry in chunk:
                # The count of one that was only read is that of the read.
                count = 0 if entry.is_new or entry.was_only_read else entry.delivery_count
                triples += [entry.entry_id, entry.delivery_count, count]
            trimmed += decoded(self.run("hand_back", self.consumer, *triples)[1])
        return trimmed

    def settle(self, entry: Entry, verdict: Verdict, *, is_trimmed: bool = False) -> Settled:
        """Write what has become of ``entry``: all of it, or nothing.

        With ``is_trimmed`` the fields of ``entry`` are those of its dead letters; without, an entry that turns out
        to be trimmed is left as it is.
        """
        arguments: list[Any] = [self.consumer, entry.entry_id, entry.delivery_count, int(self.addressed)]
        delay = "" if verdict.delay is None else milliseconds(verdict.delay)
        arguments += [verdict.delivery_count, delay, verdict.progress, verdict.error, len(verdict.letters)]
        for letter in verdict.letters:
            arguments += [2 * len(letter), *flat(letter)]
        reply = self.run("settle", *arguments, *(flat(entry.fields) if is_trimmed else ()))
        return {1: Settled.DONE, 0: Settled.LOST}.get(reply, Settled.TRIMMED)

    def owned(self, entry_ids: Sequence[str]) -> set[str]:
        """Those of ``entry_ids`` that are still pending with this consumer."""
        found: set[str] = set()
        for chunk in chunks(entry_ids):
            found.update(decoded(self.run("owned", self.consumer, *chunk)))
        return found

    def own_pending(self, after: str = START, until: str = "+") -> tuple[str, list[Entry]]:
        """A page of what the group says this consumer holds, and where the next one begins (empty at the end)."""
        rows: Any = self.client.xpending_range(self.keys.stream, self.name, after, until, CHUNK, self.consumer)
        entries = [Entry(row["message_id"].decode(), {}, row["times_delivered"], False) for row in rows]
        return f"({entries[-1].entry_id}" if len(entries) == CHUNK else "", entries

    def mend_waiting(self) -> None:
        """Make waiting entries due that have no due time."""
        place = START
        while place:
            place = self.run("mend", place, CHUNK).decode()

    def last_id(self) -> str:
        """The id of the newest entry that the stream ever had."""
        return self._clients.last_id(self.keys.stream)

    def length(self) -> int:
        """How many entries the stream has."""
        return int(self.client.xlen(self.keys.stream))

    def unread(self, until: str) -> int:
        """How many entries the group has not read, if any up to ``until``; 1 stands for a number Redis cannot tell."""
        groups: Any = self.client.xinfo_groups(self.keys.stream) if self.length() else []
        for group in groups:
            if group["name"] == self.name.encode() and follows(until, group["last-delivered-id"].decode()):
                return int(group.get("lag") or 1)
        return 0

    def pending_count(self) -> int:
        """How many entries the whole group holds; none when there is no such group."""
        try:
            return int(self.client.xpending(self.keys.stream, self.name)["pending"])
        except redis.ResponseError as error:
            if is_group_gone(error):
                return 0
            raise

    def close(self) -> None:
        """Close the connections; they are made again when they are needed."""
        self._clients.close()

    def wake(self) -> None:
        """End a read that waits, from another thread; the server then answers it with nothing."""
        self._clients.wake(self.consumer)
