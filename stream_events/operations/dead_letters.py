"""Dead letters: what there is, and having it handled again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from stream_events.conf import get_settings
from stream_events.connections import inspecting_client
from stream_events.consuming.replies import decoded
from stream_events.consuming.scripts import Scripts
from stream_events.events import DEAD_FIELDS, unpack_fields
from stream_events.exceptions import ConfigurationError
from stream_events.keys import GroupKeys, check_group, check_stream, group_keys
from stream_events.operations.pages import DEFAULT_BUDGET, Budget, Page

CHUNK = 100  # dead letters in one command

_ID = re.compile(r"\d+-\d+")


class DeadLetter(NamedTuple):
    """One dead letter: the fields of its entry, and the reasons by their names without “dead_”."""

    id: str
    fields: dict[bytes, bytes]
    reasons: dict[str, str]


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
    raise NotImplementedError


def letter(stream: str, group: str, letter_id: str) -> DeadLetter | None:
    """One dead letter; None if it is not there any more."""
    raise NotImplementedError


def error_classes(stream: str, group: str, budget: Budget = DEFAULT_BUDGET) -> tuple[dict[str, int], bool]:
    """How many of the newest dead letters have which class of error, and whether these are all of them."""
    raise NotImplementedError


def dead_letters(stream: str, group: str, *, after: str = "", size: int = 100) -> list[DeadLetter]:
    """Up to ``size`` dead letters of ``group``, oldest first, that follow the dead letter ``after``."""
    start = f"({_checked_id(after)}" if after else "-"
    rows: Any = inspecting_client().xrange(_keys(stream, group).dead, start, "+", size)
    return [DeadLetter(one.decode(), entry_fields(fields), _reasons(fields)) for one, fields in rows]


def requeue(stream: str, group: str, ids: Iterable[str]) -> list[str]:
    """Have dead letters of ``group`` handled again, by that group only and by the handlers they were for.

    ``ids`` are those of ``DeadLetter``, not of the entries. Returns those that were moved: one that is not there any
    more is none of them, so that doing it twice does it once.
    """
    if isinstance(ids, str):
        raise ConfigurationError(f"ids is the string {ids!r}; write [{ids!r}].")
    wanted = [_checked_id(one) for one in ids]
    scripts = Scripts(inspecting_client(), _keys(stream, group))
    moved: list[str] = []
    for start in range(0, len(wanted), CHUNK):
        moved += decoded(scripts.run("requeue", [group, *wanted[start : start + CHUNK]]))
    return moved


def entry_fields(letter: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The fields of the entry that a dead letter keeps, whether as they were or packed into one."""
    if DEAD_FIELDS in letter:
        return unpack_fields(letter[DEAD_FIELDS])
    return {name: value for name, value in letter.items() if not name.startswith(b"dead_")}


def _reasons(letter: dict[bytes, bytes]) -> dict[str, str]:
    return {
        name.decode().removeprefix("dead_"): value.decode(errors="replace")
        for name, value in letter.items()
        if name.startswith(b"dead_") and name != DEAD_FIELDS
    }


def _keys(stream: str, group: str) -> GroupKeys:
    check_stream(stream)
    check_group(group)
    return group_keys(stream, group, get_settings().key_prefix)


def _checked_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ConfigurationError(f"{value!r} is no id of a dead letter; ids look like 1767225600000-0.")
    return value
