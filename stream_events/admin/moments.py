"""Moments in URLs: as a browser's field for date and time writes them, or as an entry id."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from stream_events.events import entry_time
from stream_events.operations.places import place_at

_ENTRY_ID = re.compile(r"[0-9]{1,15}(-[0-9]{1,19})?")


def entry_id_of(text: str) -> str:
    """The first entry id that ``text`` means, in the local time zone; empty if it means none."""
    if _ENTRY_ID.fullmatch(text):
        return text
    found = moment_of(text)
    return place_at(found) if found and found.timestamp() >= 0 else ""


def moment_of(text: str) -> datetime | None:
    """The moment that ``text`` means; None if that is none."""
    try:
        found = entry_time(text) if _ENTRY_ID.fullmatch(text) else parse_datetime(text)
    except (ValueError, OverflowError):
        return None
    return timezone.make_aware(found) if found and timezone.is_naive(found) else found


def field_value(text: str) -> str:
    """``text`` as a field for date and time takes it."""
    found = moment_of(text)
    return timezone.localtime(found).strftime("%Y-%m-%dT%H:%M:%S") if found else ""
