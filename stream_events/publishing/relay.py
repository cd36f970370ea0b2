"""Outbox events are appended to their streams."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import connections, transaction
from django.db.models import Min, QuerySet
from redis.exceptions import LockError

from stream_events.conf import get_settings
from stream_events.connections import explain, relaying_client, relaying_line
from stream_events.events import OCCURRED_AT
from stream_events.keys import relay_key
from stream_events.publishing.appending import append_in_order
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.outbox import outbox_rows

if TYPE_CHECKING:
    from stream_events.models import OutboxEvent

logger = logging.getLogger("stream_events")

AT_A_TIME = 500  # rows
LARGEST = 8_000_000  # characters of payload in one command, unless a single one is longer
LOCKED = 5.0  # seconds; what a relay that was killed keeps others waiting for, where rows cannot be locked
REFUSED = 2.0  # seconds before a stream is tried again that Redis has refused


class Relay:
    """Sends the outbox events of the database ``alias``, the oldest first, and deletes what was sent.

    Several may run at once. Those of one object are sent in the order of their positions, and by one relay at a time:
    a row is passed over while an earlier one of its object is in another relay's hands. A relay that is killed has
    deleted nothing that was not sent; what was sent and not deleted comes again, with the same event id.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._refused: dict[str, float] = {}  # streams, and until when they are left alone
        self._locks_rows = connections[alias].features.has_select_for_update_skip_locked

    def run(self) -> int:
        """Send rows until none can be sent; returns how many were. Raises as ``run_once`` does."""
        total = 0
        while sent := self.run_once():
            total += sent
        return total

    def run_once(self) -> int:
        """Send some rows; returns how many were sent, 0 when there are none, or others send them.

        Raises ``redis.RedisError`` when Redis cannot be reached, ``django.db.Error`` when the database cannot, and
        ``NotDurableError``; nothing is lost then.
        """
        while self._rows().exists():
            known = len(self._refused)
            with self._held() as is_held:
                sent = self._send() if is_held else 0
            if sent or len(self._refused) == known:
                return sent
            # All of them were of streams that Redis refuses: there may be others behind them.
        return 0

    def left(self) -> int:
        """How many rows there are."""
        return outbox_rows(self.alias).count()

    @contextlib.contextmanager
    def _held(self) -> Iterator[bool]:
        """Keep other relays from the rows that this one takes: row by row, or else from all of them."""
        if self._locks_rows:
            with transaction.atomic(using=self.alias):
                yield True
            return
        key = relay_key(self.alias, get_settings().key_prefix)
        lock = relaying_client().lock(key, timeout=LOCKED, blocking=False)
        is_held = lock.acquire()
        try:
            yield is_held
        finally:
            if is_held:
                with contextlib.suppress(LockError):  # it took longer than that
                    lock.release()

    def _send(self) -> int:
        rows = _fitting(self._take())
        refused = append_in_order([_entry(row, self.alias) for row in rows], relaying_line())
        for stream, reason in {entry.stream: reason for entry, reason in refused}.items():
            self._leave_alone(stream, explain(reason))
        kept = {entry.event_id for entry, _ in refused}
        sent = [row.position for row in rows if str(row.event_id) not in kept]
        outbox_rows(self.alias).filter(position__in=sent).delete()
        outcomes.add("published", len(sent))
        return len(sent)

    def _take(self) -> list[OutboxEvent]:
        rows = self._rows().order_by("position")
        if not self._locks_rows:
            return list(rows[:AT_A_TIME])
        taken = list(rows.select_for_update(skip_locked=True)[:AT_A_TIME])
        if not taken:
            return []
        earlier = rows.filter(position__lt=taken[-1].position).exclude(position__in=[row.position for row in taken])
        first = {
            (stream, key): position
            for stream, key, position in earlier.order_by()
            .values_list("aggregatetype", "aggregateid")
            .annotate(first=Min("position"))
        }
        return [row for row in taken if first.get((row.aggregatetype, row.aggregateid), row.position) >= row.position]

    def _rows(self) -> QuerySet[OutboxEvent]:
        now = time.monotonic()
        self._refused = {stream: until for stream, until in self._refused.items() if until > now}
        return outbox_rows(self.alias).exclude(aggregatetype__in=self._refused)

    def _leave_alone(self, stream: str, reason: str) -> None:
        logger.error("stream_refused stream=%s error=%r: its events stay in the outbox", stream, reason)
        self._refused[stream] = time.monotonic() + REFUSED


def _fitting(rows: list[OutboxEvent]) -> list[OutboxEvent]:
    """The first of ``rows`` that Redis can take in good time."""
    size = 0
    for at, row in enumerate(rows):
        size += len(row.payload)
        if at and size > LARGEST:
            return rows[:at]
    return rows


def _entry(row: OutboxEvent, alias: str) -> NewEntry:
    occurred_at = _in_utc(row.created_at, alias).isoformat()
    headers = {**(json.loads(row.headers) if row.headers else {}), OCCURRED_AT: occurred_at}
    return NewEntry(
        row.aggregatetype, row.payload.encode(), (None, row.aggregateid), row.type, headers, str(row.event_id)
    )


def _in_utc(moment: datetime, alias: str) -> datetime:
    """``moment`` as the database ``alias`` has noted it; without ``USE_TZ`` PostgreSQL tells its own local time."""
    if not moment.tzinfo:
        connection = connections[alias]
        moment = moment.replace(
            tzinfo=ZoneInfo(connection.timezone_name) if connection.vendor == "postgresql" else UTC
        )
    return moment.astimezone(UTC)
