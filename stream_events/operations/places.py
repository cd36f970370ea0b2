"""Places in a stream: entry ids as numbers, in the order of the stream, and as operators write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from stream_events.exceptions import ConfigurationError

_ENTRY_ID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")
_HIGHEST = 2**64 - 1  # in each part of an id

Place = tuple[int, int]
START: Place = (0, 0)  # ahead of every entry: none has this id
LAST: Place = (_HIGHEST, _HIGHEST)
NOTHING = "0-0"  # ``START`` as an id
_ENDS = {"0": START, "earliest": START, "$": LAST, "latest": LAST}


def checked_id(entry_id: str) -> str:
    """``entry_id`` if an entry can have it; raises ``ConfigurationError`` otherwise."""
    if not _ENTRY_ID.fullmatch(entry_id) or max(map(int, entry_id.split("-"))) > _HIGHEST:
        raise ConfigurationError(f"{entry_id!r} is no entry id; ids look like 1767225600000-0.")
    return entry_id


def place(entry_id: str) -> Place:
    """``entry_id`` as numbers; raises ``ConfigurationError`` for what is no id."""
    first, _, second = checked_id(entry_id).partition("-")
    return int(first), int(second or 0)


def place_of(entry_id: bytes) -> Place:
    """The place of an id that Redis has given, which needs no look at whether it is one."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


def entry_id_at(where: Place) -> str:
    return "{}-{}".format(*where)


def place_at(moment: datetime) -> str:
    """The id that an entry added at ``moment`` could have first: where “go to time” goes. Without a zone it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{max(0, round(aware.timestamp() * 1000))}-0"


def last_place(entry_id: str) -> Place:
    """The last place that ``entry_id`` means: an id without its second part means all of that millisecond."""
    found = place(entry_id)
    return found if "-" in entry_id else (found[0], _HIGHEST)


def before(where: Place) -> Place:
    """The last place ahead of ``where``."""
    milliseconds, sequence = where
    if sequence:
        return milliseconds, sequence - 1
    return (milliseconds - 1, _HIGHEST) if milliseconds else START


def behind(where: Place) -> Place:
    """The first place that follows ``where``."""
    milliseconds, sequence = where
    return (milliseconds, sequence + 1) if sequence < _HIGHEST else (milliseconds + 1, 0)


def span(since: str = "", until: str = "", *, after: str = "", ahead_of: str = "") -> tuple[Place, Place]:
    """The first and the last place from ``since`` to ``until`` that lie behind ``after`` and before ``ahead_of``.

    Raises ``ConfigurationError`` for what is no id. The first comes behind the last where there is no such place.
    """
    first, last = START, LAST
    if since:
        first = place(since)
    if until:
        last = last_place(until)
    if after:
        first = max(first, behind(place(after)))
    if ahead_of:
        last = min(last, before(place(ahead_of)))
    return first, last


def place_from(text: str, option: str) -> tuple[Place, bool]:
    """The place that ``text`` means, and whether it is a time; raises ``ConfigurationError``.

    A time without a zone is UTC.
    """
    try:
        return place(text), False
    except ConfigurationError:
        pass
    try:
        return place(place_at(datetime.fromisoformat(text))), True
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"The option {option!r} is {text!r}. Write an entry id such as 1767225600000-0, or a time such as"
            " 2026-01-31T14:05+01:00; without a zone it is UTC."
        ) from None


def position_from(text: str, option: str) -> Place:
    """The place after which reading goes on, where ``text`` may also be an end of the stream, or ``earliest``."""
    if text in _ENDS:
        return _ENDS[text]
    found, is_time = place_from(text, option)
    return before(found) if is_time else found
