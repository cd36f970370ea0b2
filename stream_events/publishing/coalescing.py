"""Several saves of one object in one transaction become one event."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from stream_events.exceptions import EventEncodeError
from stream_events.publishing.entries import NewEntry, encode

Payload = dict[str, Any]


def coalesced(entries: Sequence[NewEntry]) -> Sequence[NewEntry]:
    """``entries``, in which those of one object that want it have become one, in the place of the first."""
    if not any(entry.merging for entry in entries):
        return entries
    kept: list[NewEntry | None] = []
    places: dict[tuple[str, ...], int] = {}
    for entry in entries:
        key = object_of(entry)
        place = places.get(key) if entry.merging else None
        first = None if place is None else kept[place]
        if first is not None and place is not None and can_merge(first, entry):
            # Their rows are committed: if both are too large for one event, there are two.
            with contextlib.suppress(EventEncodeError):
                kept[place] = merge(first, entry)
                continue
        if entry.merging:
            places[key] = len(kept)
        kept.append(entry)
    return [entry for entry in kept if entry is not None]


def object_of(entry: NewEntry) -> tuple[str, ...]:
    """What two events must have in common to be merged: the stream, and the type and key of the object."""
    return entry.stream, *map(str, entry.subject)


def can_merge(first: NewEntry, later: NewEntry) -> bool:
    """Whether one event can tell both: what was deleted and came again is told as two."""
    return bool(first.merging and later.merging) and first.action != "delete"


def merge(first: NewEntry, later: NewEntry) -> NewEntry | None:
    """The event that tells both, with the id of the first; None when nothing came of it for anybody to see."""
    before, after = first.merging or {}, later.merging or {}
    if first.action == "create" and later.action == "delete":
        return None
    payload = {**after, "action": "create" if first.action == "create" else after["action"]}
    if payload["action"] == "update":
        _add_up(payload, before, after)
    else:
        payload.pop("changed", None)
        payload.pop("previous", None)
    merged = NewEntry(
        first.stream, encode(first.stream, payload), first.subject, payload["action"], first.headers, first.event_id
    )
    merged.merging = payload
    return merged


def _add_up(payload: Payload, before: Payload, after: Payload) -> None:
    """What two updates have changed together; unknown when it is of one of them."""
    if "changed" in before and "changed" in after:
        payload["changed"] = list(dict.fromkeys([*before["changed"], *after["changed"]]))
    else:
        payload.pop("changed", None)
    if "previous" in before and "previous" in after:
        payload["previous"] = {**after["previous"], **before["previous"]}
    else:
        payload.pop("previous", None)
