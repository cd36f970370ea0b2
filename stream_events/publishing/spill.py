"""Events that Redis did not take wait in the outbox, and the next ones of their stream wait behind them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from django.db import router, transaction

from stream_events.locks import ForkSafeLock
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.outbox import outbox_rows, write_outbox
from stream_events.publishing.recovery import recovery
from stream_events.publishing.relay import Relay

logger = logging.getLogger("stream_events")


class Spilled:
    """The streams of which this process has spilled events that may still wait, for each database."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._streams: dict[str, set[str]] = {}
        self._spills = 0

    def __bool__(self) -> bool:
        return bool(self._streams)

    def streams(self, using: str) -> Collection[str]:
        """Those whose events of the database ``using`` have to wait."""
        return self._streams.get(outbox_of(using), ())

    def add(self, alias: str, streams: set[str]) -> None:
        with self._lock:
            self._spills += 1
            self._streams[alias] = self._streams.get(alias, set()) | streams

    def drain(self) -> bool:
        """Send what waits; True when nothing does. A database that fails keeps no other one waiting."""
        failures = []
        for alias in list(self._streams):
            try:
                self._drain(alias)
            except Exception as error:  # noqa: BLE001 - it is raised below
                failures.append(error)
        if failures:
            raise failures[0]
        return not self._streams

    def _drain(self, alias: str) -> None:
        spills = self._spills
        Relay(alias).run()
        rows = outbox_rows(alias).filter(aggregatetype__in=self._streams[alias])
        waiting = set(rows.values_list("aggregatetype", flat=True).distinct())
        with self._lock:
            # A row that was written after that look is in the next one.
            if spills != self._spills:
                return
            self._streams[alias] = waiting
            if not waiting:
                del self._streams[alias]


spilled = Spilled()
recovery.add(spilled.drain)


def outbox_of(using: str) -> str:
    """The database with the outbox for what is written to the database ``using``: that one, if it may have one."""
    model = outbox_rows(using).model
    return using if router.allow_migrate_model(using, model) else router.db_for_write(model)


def spill(entries: Sequence[NewEntry], alias: str, reason: str) -> None:
    """Write ``entries`` to the outbox in the database ``alias``, behind what waits there.

    They are sent by this process's recovery, any consumer's housekeeping, or a relay. Raises
    ``django.db.DatabaseError``.
    """
    with transaction.atomic(using=alias):  # all or none; a transaction that goes on there outlives a failure
        write_outbox(entries, alias)
    streams = {entry.stream for entry in entries}
    spilled.add(alias, streams)
    outcomes.add("spilled", len(entries))
    logger.warning("events_spilled streams=%s count=%s reason=%r", ",".join(sorted(streams)), len(entries), reason)
    recovery.start()
