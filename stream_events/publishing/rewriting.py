"""Several saves of one object in one transaction become one row of the outbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from stream_events.exceptions import EventEncodeError
from stream_events.publishing.coalescing import can_merge, merge, object_of
from stream_events.publishing.commit import rows_of_transaction
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.outbox import announce, insert_rows, outbox_rows, replace_row, write_outbox

if TYPE_CHECKING:
    from stream_events.models import OutboxEvent


def write_coalesced(entries: Sequence[NewEntry], using: str) -> None:
    """Write ``entries``, of different objects, as ``write_outbox`` does.

    One that merges with what this transaction has written about its object takes the place of that.
    """
    if not all(entry.merging for entry in entries) or not transaction.get_connection(using).in_atomic_block:
        write_outbox(entries, using)
        return
    written = rows_of_transaction(using)
    if not written:
        announce(using)
    earlier = _earlier([position for entry in entries for position in written.get(object_of(entry), ())], using)
    fresh = [entry for entry in entries if not _is_rewritten(earlier.get(object_of(entry)), entry, using)]
    for entry, position in zip(fresh, insert_rows(fresh, using), strict=True):
        written.setdefault(object_of(entry), []).append(position)


def _earlier(positions: Sequence[int], using: str) -> dict[tuple[str, ...], tuple[int, NewEntry]]:
    """Of each object the last of these rows that is still there: a savepoint may have taken some back."""
    if not positions:
        return {}
    rows = outbox_rows(using).filter(position__in=positions).order_by("position")
    found = [(row.position, _entry(row)) for row in rows]
    return {object_of(entry): (position, entry) for position, entry in found}


def _entry(row: OutboxEvent) -> NewEntry:
    payload = json.loads(row.payload)
    subject = payload["obj_type"], payload["obj_id"]
    headers = json.loads(row.headers) if row.headers else None
    entry = NewEntry(row.aggregatetype, row.payload.encode(), subject, payload["action"], headers, str(row.event_id))
    entry.merging = payload
    return entry


def _is_rewritten(earlier: tuple[int, NewEntry] | None, entry: NewEntry, using: str) -> bool:
    """Whether the earlier row tells ``entry`` as well now; it is gone when nothing came of both."""
    if earlier is None or not can_merge(earlier[1], entry):
        return False
    try:
        merged = merge(earlier[1], entry)
    except EventEncodeError:  # together they are too large
        return False
    if merged:
        replace_row(earlier[0], merged, using)
    else:
        outbox_rows(using).filter(position=earlier[0]).delete()
    return True
