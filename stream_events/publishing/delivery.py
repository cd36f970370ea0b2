"""Entries leave, after the commit of what they tell."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from stream_events.conf import get_settings
from stream_events.connections import explain
from stream_events.publishing.appending import append_in_order
from stream_events.publishing.coalescing import coalesced
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.spill import outbox_of, spill, spilled

logger = logging.getLogger("stream_events")

Failed = list[tuple[NewEntry, BaseException]]


def send(entries: Sequence[NewEntry], using: str) -> None:
    """Send ``entries``, whose rows are committed on the database ``using``.

    What Redis does not take is spilled to the outbox, logged, or raised, as ``ON_FAILURE`` says.
    """
    entries = coalesced(entries)
    behind = spilled.streams(using) if spilled and get_settings().on_failure == "outbox" else None
    direct = [entry for entry in entries if entry.stream not in behind] if behind else entries
    failed: Failed = []
    interrupted: BaseException | None = None
    try:
        failed += append_in_order(direct)
    except BaseException as error:  # noqa: BLE001 - the rows are committed: nothing may break the caller, or be lost
        failed = [(entry, error) for entry in direct]
        interrupted = None if isinstance(error, Exception) else error
    outcomes.add("published", len(direct) - len(failed))
    if behind:
        known = {id(entry) for entry, _ in failed}
        failed = [
            (entry, Exception("others wait before it"))
            for entry in entries
            if entry.stream in behind or id(entry) in known
        ]
    if failed:
        _dispose(failed, using)
    if interrupted:
        raise interrupted


def _dispose(failed: Failed, using: str) -> None:
    settings = get_settings()
    if settings.on_failure == "outbox":
        outbox = using
        try:
            outbox = outbox_of(using)
            spill([entry for entry, _ in failed], outbox, explain(failed[-1][1]))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the rows are committed
            logger.error("events_not_spilled database=%s error=%r: run migrate?", outbox, explain(error))
    outcomes.add("lost", len(failed))
    for entry, reason in failed:
        logger.error(
            "event_not_published stream=%s event=%r event_id=%s error=%r",
            entry.stream,
            entry.about,
            entry.event_id,
            explain(reason),
        )
    if settings.on_failure == "raise" and isinstance(failed[0][1], Exception):
        raise failed[0][1]
