"""Dead letters: what there is, and having it handled again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stream_events.conf import get_settings
from stream_events.connections import inspecting_client
from stream_events.consuming.replies import decoded
from stream_events.consuming.scripts import Scripts
from stream_events.exceptions import ConfigurationError
from stream_events.keys import GroupKeys, check_group, check_stream, group_keys
from stream_events.operations.contents import event_name
from stream_events.operations.letters import DeadLetter, Requeue, entry_fields, error_class, letter_from
from stream_events.operations.names import key_prefix, raw
from stream_events.operations.pages import DEFAULT_BUDGET, Budget, Page, fill
from stream_events.operations.places import checked_id, span
from stream_events.operations.walking import NEARBY, Fields, walk, written_for

__all__ = [
    "EVERY",
    "DeadLetter",
    "LetterFilter",
    "Requeue",
    "dead_letter_ids",
    "dead_letters",
    "entry_fields",
    "error_classes",
    "letter",
    "letters_page",
    "requeue",
]

CHUNK = 100  # dead letters in one command


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which dead letters; every part that is given has to hold."""

    error: str = ""  # the class of the error, such as ValueError
    reason: str = ""  # rejected, failed, crashed …: one of ``policy``
    handler: str = ""
    event: str = ""  # obj_type, action, or both as “shop.order create”
    since: str = ""  # an id of a dead letter, included
    until: str = ""


EVERY = LetterFilter()


def letters_page(
    stream: str,
    group: str,
    where: LetterFilter = EVERY,
    *,
    before: str = "",
    size: int = 50,
    budget: Budget = DEFAULT_BUDGET,
) -> Page[DeadLetter]:
    """Up to ``size`` dead letters, newest first, that are older than the dead letter ``before``."""
    key = _key(stream, group)
    first, last = span(where.since, where.until, ahead_of=before)
    found = walk(key, first, last, size + 1)
    return fill(found, _seen_through(where), size, budget, _count(key))


def letters_after(
    stream: str, group: str, where: LetterFilter = EVERY, *, after: str, size: int, budget: Budget = DEFAULT_BUDGET
) -> Page[DeadLetter]:
    """As ``letters_page``, oldest first, and newer than the dead letter ``after`` (empty: from the first one)."""
    key = _key(stream, group)
    found = walk(key, *span(where.since, where.until, after=after), size + 1, newest_first=False)
    return fill(found, _seen_through(where), size, budget)


def letter(stream: str, group: str, letter_id: str) -> DeadLetter | None:
    """One dead letter; None if it is not there any more."""
    where = _checked_id(letter_id)
    rows: Any = inspecting_client().xrange(_key(stream, group), where, where)
    return letter_from(letter_id, rows[0][1]) if rows else None


def error_classes(stream: str, group: str, budget: Budget = DEFAULT_BUDGET) -> tuple[dict[str, int], bool]:
    """How many of the newest dead letters have which class of error, and whether these are all of them."""
    found = walk(_key(stream, group), *span(), CHUNK)
    page = fill(found, _error_class, budget.rows, budget)
    return dict(Counter(page.rows).most_common()), page.after is None


def dead_letter_ids(stream: str, group: str, entry_ids: Iterable[str], budget: Budget = NEARBY) -> dict[str, str]:
    """The dead letters of those of ``entry_ids`` that have one, by the entry's id, as far as ``budget`` goes.

    They are looked for among those that were written soon after the first of ``entry_ids`` was added.
    """
    return written_for(_key(stream, group), b"dead_entry_id", entry_ids, budget)


def dead_letters(stream: str, group: str, *, after: str = "", size: int = 100) -> list[DeadLetter]:
    """Up to ``size`` dead letters of ``group``, oldest first, that follow the dead letter ``after``."""
    start = f"({_checked_id(after)}" if after else "-"
    rows: Any = inspecting_client().xrange(_keys(stream, group).dead, start, "+", size)
    return [letter_from(one.decode(), fields) for one, fields in rows]


def requeue(stream: str, group: str, ids: Iterable[str], *, by: str = "") -> list[str]:
    """Have dead letters of ``group`` handled again, by that group only and by the handlers they were for.

    ``ids`` are those of ``DeadLetter``, not of the entries. Returns those that were moved: one that is not there any
    more is none of them, so that doing it twice does it once. Each keeps when it was requeued, ``by`` whom and after
    which error, the last 20 times.
    """
    if isinstance(ids, str):
        raise ConfigurationError(f"ids is the string {ids!r}; write [{ids!r}].")
    wanted = [_checked_id(one) for one in ids]
    scripts = Scripts(inspecting_client(), _keys(stream, group))
    moved: list[str] = []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    start = 0
    while start < len(wanted):
        seen, found = scripts.run("requeue", [group, now, by, *wanted[start : start + CHUNK]])
        moved += decoded(found)
        start += seen
    return moved


def _seen_through(where: LetterFilter) -> Callable[[tuple[str, Fields]], DeadLetter | None]:
    """Makes dead letters of rows, and None of those that ``where`` does not let through."""
    # A command line can have bytes that are no UTF-8.
    reason, handler = (text.encode(errors="surrogatepass") for text in (where.reason, where.handler))
    words = set(where.event.split())

    def make(row: tuple[str, Fields]) -> DeadLetter | None:
        stored = row[1]
        if (reason and stored.get(b"dead_reason") != reason) or (handler and stored.get(b"dead_handler") != handler):
            return None
        if where.error and _error_class(row) != where.error:
            return None
        return letter_from(*row) if not words or words <= set(event_name(entry_fields(stored)).split()) else None

    return make


def _error_class(row: tuple[str, Fields]) -> str:
    error, reason = (row[1].get(name, b"").decode(errors="replace") for name in (b"dead_error", b"dead_reason"))
    return error_class(error, reason)


def _key(stream: str, group: str) -> bytes:
    """Of the dead letters of a group that may be another program's."""
    return raw(group_keys(stream, group, key_prefix()).dead)


def _count(key: bytes) -> int:
    return inspecting_client().xlen(key)


def _keys(stream: str, group: str) -> GroupKeys:
    check_stream(stream)
    check_group(group)
    return group_keys(stream, group, get_settings().key_prefix)


def _checked_id(value: str) -> str:
    try:
        if "-" in value:
            return checked_id(value)
    except ConfigurationError:
        pass
    raise ConfigurationError(f"{value!r} is no id of a dead letter; ids look like 1767225600000-0.")
