"""A page of pending entries as the admin has shown it so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from stream_events.conf import get_settings
from stream_events.connections import inspecting_client
from stream_events.events import PAYLOAD, entry_time
from stream_events.keys import RETRY_OWNER, group_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingState:
    """One entry that was handed to a consumer and not acknowledged.

    ``consumer`` is empty while the entry waits for a retry; ``due_at`` is when that comes, None if nobody knows.
    ``payload`` is None once the entry was trimmed.
    """

    entry_id: str
    added_at: datetime
    consumer: str
    due_at: datetime | None
    idle: timedelta
    delivery_count: int
    payload: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPage:
    """A page of the pending list, oldest first; ``after`` is where the next one begins."""

    entries: tuple[PendingState, ...]
    total: int
    after: str | None


def pending_page(stream: str, group: str, *, after: str = "", size: int = 100) -> PendingPage:
    """Up to ``size`` pending entries of ``group`` that follow the entry id ``after``.

    Costs what it shows, however long the list is. A group that is not there has an empty page.
    """
    client = inspecting_client()
    keys = group_keys(stream, group, get_settings().key_prefix)
    key = keys.stream
    try:
        total = int(client.xpending(key, group)["pending"])
        start = f"({after}" if after else "-"
        rows = client.xpending_range(key, group, start, "+", size + 1)
    except redis.ResponseError as error:
        if str(error).startswith("NOGROUP"):
            return PendingPage(entries=(), total=0, after=None)
        raise
    shown = rows[:size]
    pipeline = client.pipeline(transaction=False)
    for row in shown:
        pipeline.xrange(key, row["message_id"], row["message_id"])
        pipeline.zscore(keys.retry, row["message_id"])
    found = pipeline.execute()
    entries = tuple(map(_pending_state, shown, found[::2], found[1::2]))
    return PendingPage(entries=entries, total=total, after=entries[-1].entry_id if len(rows) > size else None)


def _pending_state(
    row: dict[str, Any], found: list[tuple[bytes, dict[bytes, bytes]]], due: float | None
) -> PendingState:
    entry_id = row["message_id"].decode()
    is_waiting = row["consumer"] == RETRY_OWNER.encode()
    payload = found[0][1].get(PAYLOAD, b"").decode("utf-8", "replace") if found else None
    return PendingState(
        entry_id=entry_id,
        added_at=entry_time(entry_id),
        consumer="" if is_waiting else row["consumer"].decode("utf-8", "replace"),
        due_at=datetime.fromtimestamp(due / 1000, tz=UTC) if is_waiting and due else None,
        idle=timedelta(milliseconds=row["time_since_delivered"]),
        delivery_count=row["times_delivered"],
        payload=payload,
    )
