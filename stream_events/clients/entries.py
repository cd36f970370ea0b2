"""Entries as programs see them: text in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_events.consuming.position import checked_id
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError, EventEncodeError

NEW = ">"  # in place of an id: what nobody in the group has read yet


class ReadEntry(dict[str, str]):
    """The fields of one entry as text, and its id as ``"id"``.

    ``entry`` is what Redis stored: undecoded, and with a field of its own that may be called ``id``.
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__(texts(entry))
        self["id"] = entry.entry_id
        self.entry = entry

    @property
    def delivery_count(self) -> int:
        """Which delivery of the entry this is, 1 for the first."""
        return self.entry.delivery_count


def texts(entry: Entry) -> dict[str, str]:
    """The entry's fields as text; what is not UTF-8 becomes replacement characters."""
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in entry.fields.items()}


def entry_id(value: str | bytes) -> str:
    """``value`` as an entry id; raises ``ConfigurationError`` when it is none."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return checked_id(text, "The id", "Give the one that came with the entry.")


def position(value: str | bytes) -> str:
    """``value`` as where reading begins: an entry id, or ``>`` for new entries; raises ``ConfigurationError``."""
    return NEW if value in (NEW, NEW.encode()) else entry_id(value)


def check_fields(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """``fields``, if they can become an entry as they are; else raises ``EventEncodeError``."""
    if not isinstance(fields, Mapping) or not fields:
        raise EventEncodeError(f"An entry is a mapping with at least one field, got {type(fields).__name__}.")
    for name, value in fields.items():
        for one in (name, value):
            if isinstance(one, bool) or not isinstance(one, str | bytes | int | float):
                raise EventEncodeError(
                    f"Field {name!r}: names and values are text, bytes or numbers, got {type(one).__name__};"
                    " write other values as JSON."
                )
    return dict(fields)


def check_count(count: int) -> int:
    """``count``, if so many entries can be read at a time; else raises ``ConfigurationError``."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigurationError(f"count must be a whole number of at least 1, got {count!r}.")
    return count
