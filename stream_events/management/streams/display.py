"""Numbers, times and payloads, as tables show them and as JSON has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.timezone import localtime

from stream_events.events import PAYLOAD, decode_payload
from stream_events.exceptions import EventDecodeError
from stream_events.management.streams.tables import cut
from stream_events.operations.contents import event_name, json_object

PREVIEW = 80  # characters of a payload in a table

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def length(value: timedelta | None) -> str:
    """``value`` in its two largest units: 0.4s, 12s, 3m 10s, 2h 05m, 3d 04h."""
    if value is None:
        return ""
    seconds = max(0.0, value.total_seconds())
    if seconds < 9.95:
        return f"{f'{seconds:.1f}'.removesuffix('.0')}s"
    whole = round(seconds)
    for unit, part, names in ((_DAY, _HOUR, "dh"), (_HOUR, _MINUTE, "hm"), (_MINUTE, 1, "ms")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit}{names[0]}" + (f" {rest:02}{names[1]}" if rest else "")
    return f"{whole}s"


def since(moment: datetime | None) -> timedelta | None:
    """How long ago ``moment`` was."""
    return None if moment is None else max(timedelta(0), datetime.now(UTC) - moment)


def due(moment: datetime | None) -> str:
    """How far away ``moment`` is: “in 3m 10s”, “12s ago”."""
    if moment is None:
        return ""
    left = moment - datetime.now(UTC)
    return f"in {length(left)}" if left > timedelta(0) else f"{length(-left)} ago"


def clock(moment: datetime | None, *, utc: bool) -> str:
    """``moment`` to the second: in the project's time zone, or in UTC."""
    if moment is None:
        return ""
    try:
        local = moment.astimezone(UTC) if utc else localtime(moment)
    except OverflowError:
        local = moment
    return f"{local:%Y-%m-%d %H:%M:%S}"


def iso(moment: datetime | None) -> str | None:
    """``moment`` for programs."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def seconds(value: timedelta | None) -> float | None:
    """``value`` for programs."""
    return None if value is None else round(value.total_seconds(), 3)


def payload(fields: dict[bytes, bytes] | None) -> Any:
    """What an entry carries: an object, or the text of what is none; None if there is nothing."""
    if not fields or PAYLOAD not in fields:
        return None
    try:
        return decode_payload(fields[PAYLOAD], "")
    except EventDecodeError:
        return fields[PAYLOAD].decode("utf-8", "replace")


def preview(fields: dict[bytes, bytes] | None) -> str:
    """The beginning of an entry's payload, or of all its fields if it has none."""
    if not fields:
        return ""
    if PAYLOAD in fields:
        return cut(fields[PAYLOAD][: 4 * PREVIEW].decode("utf-8", "replace"), PREVIEW)
    return cut(" ".join(f"{name}={value}" for name, value in headers(fields).items()), PREVIEW)


def event(fields: dict[bytes, bytes] | None) -> str:
    """What an entry says has happened, such as “shop.order create”."""
    return event_name(fields or {})


def obj_id(fields: dict[bytes, bytes] | None) -> str:
    found = json_object((fields or {}).get(PAYLOAD)).get("obj_id")
    return "" if found is None else str(found)


def headers(fields: dict[bytes, bytes] | None) -> dict[str, str]:
    """The fields of an entry beside its payload."""
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in (fields or {}).items()
        if name != PAYLOAD
    }
