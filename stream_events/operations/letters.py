"""A dead letter as people read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from stream_events.events import DEAD_FIELDS, entry_time, unpack_fields

HISTORY = b"requeued_history"  # a JSON list with the keys of ``Requeue``

_CLASS = re.compile(r"([A-Za-z_][\w.]*)(?::|\Z)")


class Requeue(NamedTuple):
    """One time that the entry was requeued: by whom, and after which error."""

    at: datetime | None
    by: str
    error: str


class DeadLetter(NamedTuple):
    """One dead letter: the fields of its entry, and the reasons by their names without “dead_”."""

    id: str
    fields: dict[bytes, bytes]
    reasons: dict[str, str]
    history: tuple[Requeue, ...] = ()  # oldest first

    @property
    def entry_id(self) -> str:
        """The id that the entry had when it was published."""
        return self.reasons.get("entry_id", "")

    @property
    def reason(self) -> str:
        """Why it is dead, in a word of ``consuming.policy``."""
        return self.reasons.get("reason", "")

    @property
    def error(self) -> str:
        return self.reasons.get("error", "")

    @property
    def error_class(self) -> str:
        """What stands before the colon of the error; the reason where no error was raised."""
        return error_class(self.error, self.reason)

    @property
    def traceback(self) -> str:
        return self.reasons.get("traceback", "")

    @property
    def handler(self) -> str:
        """The handler that it is for; empty if it is for all of them."""
        return self.reasons.get("handler", "")

    @property
    def consumer(self) -> str:
        return self.reasons.get("consumer", "")

    @property
    def at(self) -> datetime:
        return _moment(self.reasons.get("at")) or entry_time(self.id)

    @property
    def delivery_count(self) -> int:
        """How often the handler was started; 0 if that is unknown."""
        count = self.reasons.get("delivery_count", "")
        return int(count) if count.isdecimal() else 0


def error_class(error: str, reason: str) -> str:
    found = _CLASS.match(error)
    return found[1] if found else reason


def letter_from(letter_id: str, stored: dict[bytes, bytes]) -> DeadLetter:
    """The dead letter that Redis stores as ``stored``."""
    return DeadLetter(letter_id, entry_fields(stored), _reasons(stored), tuple(_history(stored.get(HISTORY, b"[]"))))


def entry_fields(letter: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The fields of the entry that a dead letter keeps, whether as they were or packed into one."""
    if DEAD_FIELDS in letter:
        return unpack_fields(letter[DEAD_FIELDS])
    return {name: value for name, value in letter.items() if not name.startswith(b"dead_")}


def _reasons(letter: dict[bytes, bytes]) -> dict[str, str]:
    return {
        name.decode(errors="replace").removeprefix("dead_"): value.decode(errors="replace")
        for name, value in letter.items()
        if name.startswith(b"dead_") and name != DEAD_FIELDS
    }


def _history(stored: bytes) -> Iterator[Requeue]:
    rows: Any = []
    with suppress(ValueError, RecursionError):
        rows = json.loads(stored)
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            yield Requeue(_moment(row.get("at")), str(row.get("by", "")), str(row.get("error", "")))


def _moment(text: Any) -> datetime | None:
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
