"""Entries of a stream, and what every group has made of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import redis

from stream_events.connections import inspecting_client
from stream_events.consuming.replies import is_absent
from stream_events.events import REQUEUED_ENTRY_ID, entry_time
from stream_events.keys import group_keys, stream_key
from stream_events.operations.dead_letters import dead_letter_ids
from stream_events.operations.names import key_prefix, raw, readable
from stream_events.operations.pages import DEFAULT_BUDGET, Budget, Page, fill
from stream_events.operations.pending import PendingEntry, pending_entry
from stream_events.operations.places import place, span
from stream_events.operations.walking import Fields, walk, written_for
from stream_events.registry import handlers


class Delivery(StrEnum):
    """How far one group is with one entry."""

    UNREAD = "unread"
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"  # there is a dead letter of it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
    """One entry; ``delivery`` is that to the group that was asked for, if any."""

    entry_id: str
    added_at: datetime
    fields: dict[bytes, bytes]
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """One entry as one group sees it."""

    group: str
    delivery: Delivery
    pending: PendingEntry | None = None  # if it is pending
    dead_letter_id: str = ""  # if it is dead, as far as the group's dead letters of that time tell
    requeued_id: str = ""  # if its dead letter was requeued and is not handled yet: its id among these entries


def stream_entries(
    stream: str,
    *,
    before: str = "",
    after: str = "",
    size: int = 50,
    group: str = "",
    contains: str = "",
    budget: Budget = DEFAULT_BUDGET,
) -> Page[StreamEntry]:
    """Up to ``size`` entries, newest first, older than the entry id ``before``; or oldest first, newer than ``after``.

    With ``group``, each with its delivery to it. ``contains`` is looked for in the fields, upper and lower case alike.
    The page's ``after`` is the ``before`` (or ``after``) of the next one. A stream that is not there has an empty
    page.
    """
    key = _key(stream)
    first, last = span(after=after, ahead_of=before)
    try:
        total = inspecting_client().xlen(key)
    except redis.ResponseError as error:
        if "WRONGTYPE" in str(error):
            return Page()
        raise
    found = walk(key, first, last, size + 1, newest_first=not after)
    page = fill(found, _with(contains), size, budget, total)
    if not group or not page.rows:
        return page
    known = _deliveries(stream, group, [one.entry_id for one in page.rows])
    return replace(page, rows=tuple(replace(one, delivery=known[one.entry_id]) for one in page.rows))


def stream_entry(stream: str, entry_id: str) -> StreamEntry | None:
    """One entry; None if it is not there (any more)."""
    (first, last), key = span(entry_id, entry_id), _key(stream)
    return next((_entry(row) for _, row in walk(key, first, last, 1, newest_first=False)), None)


def entry_statuses(stream: str, entry_id: str) -> list[GroupStatus]:
    """What each group of ``stream`` has made of the entry, in the order of their names."""
    groups = _groups(stream)
    names = sorted(groups.keys() | {group for declared, group in handlers.groups() if declared == stream})
    prefix = key_prefix()
    pipeline = inspecting_client().pipeline(transaction=False)
    for group in names:
        keys = group_keys(stream, group, prefix)
        pipeline.xpending_range(_key(stream), raw(group), entry_id, entry_id, 1)
        pipeline.xlen(raw(keys.dead))
        pipeline.exists(raw(keys.requeue))
    replies = pipeline.execute(raise_on_error=False)
    found = []
    for at, group in enumerate(names):
        held, letters, requeued = replies[3 * at : 3 * at + 3]
        status = GroupStatus(group=group, delivery=_delivery(groups.get(group), entry_id, held))
        if status.delivery is Delivery.PENDING:
            status = replace(status, pending=pending_entry(stream, group, entry_id))
        if letters and not isinstance(letters, Exception):
            status = _with_letter(status, stream, entry_id)
        found.append(_with_requeued(status, stream, entry_id) if requeued == 1 else status)
    return found


def containing(text: str) -> Callable[[Fields], bool]:
    """Whether ``text`` is in the fields of an entry, plain or as JSON writes it, upper and lower case alike."""
    needles = {text.encode(errors="surrogatepass").lower(), json.dumps(text)[1:-1].encode().lower()}

    def has(fields: Fields) -> bool:
        if not text:
            return True
        whole = b"\n".join(part for pair in fields.items() for part in pair).lower()
        return any(needle in whole for needle in needles)

    return has


def _key(stream: str) -> bytes:
    return raw(stream_key(stream, key_prefix()))


def _entry(row: tuple[str, Fields]) -> StreamEntry:
    entry_id, fields = row
    return StreamEntry(entry_id=entry_id, added_at=entry_time(entry_id), fields=fields)


def _with(text: str) -> Callable[[tuple[str, Fields]], StreamEntry | None]:
    """Makes entries of rows, and None of those in which ``text`` is not."""
    has = containing(text)
    return lambda row: _entry(row) if has(row[1]) else None


def _groups(stream: str) -> dict[str, str]:
    """The groups of ``stream``, each with the id of the last entry that it has read."""
    try:
        found: Any = inspecting_client().xinfo_groups(_key(stream))
    except redis.ResponseError as error:
        if is_absent(error):
            return {}
        raise
    return {readable(one["name"]): one["last-delivered-id"].decode() for one in found}


def _delivery(last: str | None, entry_id: str, held: Any) -> Delivery:
    """How far a group is, dead letters left out; ``last`` is what it read last, ``held`` what XPENDING says."""
    if last is None or place(entry_id) > place(last):
        return Delivery.UNREAD
    if isinstance(held, Exception):
        return Delivery.UNKNOWN
    return Delivery.PENDING if held else Delivery.DONE


def _with_letter(status: GroupStatus, stream: str, entry_id: str) -> GroupStatus:
    """An entry that has a dead letter is dead, unless it is on its way again."""
    letter_id = dead_letter_ids(stream, status.group, [entry_id]).get(entry_id, "")
    is_dead = letter_id and status.delivery is Delivery.DONE
    return replace(status, dead_letter_id=letter_id, delivery=Delivery.DEAD if is_dead else status.delivery)


def _with_requeued(status: GroupStatus, stream: str, entry_id: str) -> GroupStatus:
    """An entry whose dead letter was requeued is on its way again, beside the stream."""
    key = raw(group_keys(stream, status.group, key_prefix()).requeue)
    requeued_id = written_for(key, REQUEUED_ENTRY_ID.encode(), [entry_id]).get(entry_id, "")
    if not requeued_id or status.delivery is not Delivery.DONE:
        return replace(status, requeued_id=requeued_id)
    pending = pending_entry(stream, status.group, requeued_id, requeued=True)
    delivery = Delivery.PENDING if pending else Delivery.UNREAD
    return replace(status, requeued_id=requeued_id, delivery=delivery, pending=pending)


def _deliveries(stream: str, group: str, entry_ids: Sequence[str]) -> dict[str, Delivery]:
    """How far ``group`` is with each of ``entry_ids``."""
    last = _groups(stream).get(group)
    pipeline = inspecting_client().pipeline(transaction=False)
    for one in entry_ids:
        pipeline.xpending_range(_key(stream), raw(group), one, one, 1)
    replies = pipeline.execute(raise_on_error=False)
    found = {one: _delivery(last, one, held) for one, held in zip(entry_ids, replies, strict=True)}
    done = [one for one, delivery in found.items() if delivery is Delivery.DONE]
    return found | dict.fromkeys(dead_letter_ids(stream, group, done), Delivery.DEAD)
