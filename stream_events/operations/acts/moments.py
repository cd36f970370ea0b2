"""Places in a stream as operators write them: an entry id, a time, or one of its ends."""

from __future__ import annotations

from datetime import datetime

from stream_events.exceptions import ConfigurationError
from stream_events.operations.places import LAST, START, Place, before, place, place_at

_ENDS = {"0": START, "earliest": START, "$": LAST, "latest": LAST}


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
