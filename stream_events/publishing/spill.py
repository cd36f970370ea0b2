"""Events that Redis did not take wait in the outbox, and the next ones of their stream wait behind them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from django.db import router

from stream_events.locks import ForkSafeLock
from stream_events.publishing.counts import published
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.outbox import outbox_rows, write_outbox
from stream_events.publishing.recovery import recovery
from stream_events.publishing.relay import Relay

logger = logging.getLogger("stream_events")


class Backlog:
    """The streams of which this process has spilled events that may still wait, for each database."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._streams: dict[str, set[str]] = {}
        self._spills = 0

    def __bool__(self) -> bool:
        return bool(self._streams)

    def streams(self, using: str) -> Collection[str]:
        return self._streams.get(using, ())

    def add(self, using: str, streams: set[str]) -> None:
        with self._lock:
            self._spills += 1
            self._streams[using] = self._streams.get(using, set()) | streams

    def drain(self) -> bool:
        """Send what waits; True when nothing does. Raises what ``Relay.run`` raises."""
        for using in list(self._streams):
            spills = self._spills
            Relay(using).run()
            rows = outbox_rows(using).filter(aggregatetype__in=self._streams[using])
            waiting = set(rows.values_list("aggregatetype", flat=True).distinct())
            with self._lock:
                # A row that was written after that look is in the next one.
                if spills == self._spills:
                    self._streams[using] = waiting
                    if not waiting:
                        del self._streams[using]
        return not self._streams


backlog = Backlog()
recovery.add(backlog.drain)


def spill(entries: Sequence[NewEntry], using: str, reason: str) -> None:
    """Write ``entries`` to the outbox, behind what waits there; raises ``django.db.DatabaseError``.

    They are sent by this process's recovery, any consumer's housekeeping, or a relay.
    """
    model = outbox_rows(using).model
    alias = using if router.allow_migrate_model(using, model) else router.db_for_write(model)
    write_outbox(entries, alias)
    streams = {entry.stream for entry in entries}
    backlog.add(alias, streams)
    published.add("spilled", len(entries))
    logger.warning("events_spilled streams=%s count=%s reason=%r", ",".join(sorted(streams)), len(entries), reason)
    recovery.start()
