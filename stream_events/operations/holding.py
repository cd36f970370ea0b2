"""The pending list of one group, read in steps that no server minds."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple

import redis

from stream_events.connections import inspecting_client
from stream_events.consuming.replies import is_absent
from stream_events.keys import group_keys, requeue_keys
from stream_events.operations.contents import json_object
from stream_events.operations.members import ask_leases, leases, server_time
from stream_events.operations.names import key_prefix, raw
from stream_events.operations.pages import STEP
from stream_events.operations.places import Place, place_of

MOST_OWNERS = 16  # whose lists are read side by side; more are found in the list of all
MOST_ERRORS = 10_000  # ids that one command may answer
ERRORS_STEP = 200  # failures in one command, each with its traceback

Row = dict[str, Any]  # as XPENDING and redis-py give it


class Facts(NamedTuple):
    """What a page needs to know once."""

    total: int
    held: Mapping[bytes, int]  # entries by owner; what was given up with XNACK has none
    leases: Mapping[bytes, timedelta]
    now: float  # milliseconds since the epoch
    errors: int  # entries of which the last failure is known
    first_id: str  # of the stream; empty if it has no entries
    deleted_id: str  # the newest one that was deleted; empty where Redis does not say


class Details(NamedTuple):
    """What one row needs to become an entry."""

    fields: dict[bytes, bytes] | None  # None: deleted
    due: float | None  # milliseconds since the epoch
    error: bytes | None


class PendingList:
    """The entries that ``group`` of ``stream`` holds, or of those that were requeued to it."""

    def __init__(self, stream: str, group: str, *, requeued: bool = False) -> None:
        names = requeue_keys if requeued else group_keys
        self._keys = names(stream, group, key_prefix())
        self._key, self._group = raw(self._keys.stream), raw(group)
        self._client = inspecting_client()

    def facts(self) -> Facts | None:
        """None if there is no such group."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xpending(self._key, self._group)
        pipeline.xinfo_stream(self._key)
        pipeline.time()
        ask_leases(pipeline, raw(self._keys.consumers))
        pipeline.hlen(raw(self._keys.errors))
        summary, info, *others = pipeline.execute(raise_on_error=False)
        if isinstance(summary, redis.ResponseError) and is_absent(summary):
            return None
        for reply in (summary, info, *others):
            if isinstance(reply, Exception):
                raise reply
        time, ends, errors = others
        now, first = server_time(time), info.get("first-entry")
        return Facts(
            total=summary["pending"],
            held={one["name"]: one["pending"] for one in summary["consumers"]},
            leases=leases(ends, now),
            now=now,
            errors=errors,
            first_id=first[0].decode() if first else "",
            deleted_id=info.get("max-deleted-entry-id", b"").decode(),
        )

    def rows(
        self, owners: Sequence[bytes] | None, start: str, end: str, size: int, idle: int | None = None
    ) -> Iterator[Row]:
        """The rows from ``start`` to ``end`` in their order, of ``owners`` or of everybody; ``size`` at first.

        With ``idle`` the server leaves out what was left alone for fewer milliseconds: for short lists only.
        """
        if owners is None or len(owners) > MOST_OWNERS:
            return self._rows_of(None, start, end, size, idle)
        return heapq.merge(
            *(self._rows_of(one, start, end, size, idle) for one in owners),
            key=lambda row: place_of(row["message_id"]),
        )

    def failed(self, text: str, first: Place, last: Place, size: int) -> Iterator[tuple[bytes, Row | None]]:
        """The ids from ``first`` to ``last`` of which the last failure is known; ``size`` at first.

        Each with its row, if it is pending and the failure says ``text`` somewhere, upper and lower case alike.
        """
        keys: Any = self._client.hkeys(raw(self._keys.errors))
        places = sorted((place_of(one), one) for one in keys)
        ids, wanted = iter([one for where, one in places if first <= where <= last]), text.casefold()
        while chunk := list(islice(ids, size)):
            stored: Any = self._client.hmget(raw(self._keys.errors), chunk)
            found = [
                entry_id
                for entry_id, one in zip(chunk, stored, strict=True)
                if wanted in str(json_object(one).get("error", "")).casefold()
            ]
            rows = self._rows_at(found)
            yield from ((entry_id, rows.get(entry_id)) for entry_id in chunk)
            size = ERRORS_STEP

    def _rows_at(self, ids: Sequence[bytes]) -> dict[bytes, Row]:
        pipeline = self._client.pipeline(transaction=False)
        for entry_id in ids:
            pipeline.xpending_range(self._key, self._group, entry_id, entry_id, 1)
        return {row["message_id"]: row for rows in pipeline.execute() for row in rows}

    def details(self, rows: Sequence[Row]) -> list[Details]:
        """Of each of ``rows``."""
        pipeline = self._client.pipeline(transaction=False)
        for row in rows:
            entry_id = row["message_id"]
            pipeline.xrange(self._key, entry_id, entry_id)
            pipeline.zscore(raw(self._keys.retry), entry_id)
            pipeline.hget(raw(self._keys.errors), entry_id)
        replies = pipeline.execute()
        return [
            Details(found[0][1] if found else None, due, error)
            for found, due, error in zip(replies[::3], replies[1::3], replies[2::3], strict=True)
        ]

    def _rows_of(self, owner: bytes | None, start: str, end: str, size: int, idle: int | None) -> Iterator[Row]:
        step = min(size, STEP)
        while True:
            rows: Any = self._client.xpending_range(self._key, self._group, start, end, step, owner, idle)
            yield from rows
            if len(rows) < step:
                return
            start, step = f"({rows[-1]['message_id'].decode()}", STEP
