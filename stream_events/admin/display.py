"""How numbers and times look on the pages."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from stream_events.operations.numbers import number as number

UNKNOWN = "–"
SHOWN = 64 * 1024  # characters of what an event carries that a page shows


def moment(value: datetime) -> SafeString:
    """How long ago ``value`` was, with the exact local time behind it."""
    exact = exact_moment(value)
    age = datetime.now(UTC) - value
    ago = _("%s ago") % duration(age) if age >= timedelta() else exact
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact, ago)


def exact_moment(value: datetime) -> str:
    """``value`` in local time, to the second: that is how retries come."""
    local = timezone.localtime(value)
    return f"{formats.date_format(local, 'DATE_FORMAT')}, {local:%H:%M:%S}"


def indented(text: str) -> str:
    """``text`` with lines and margins if it is JSON, and as it is otherwise."""
    with suppress(ValueError, RecursionError):
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text


def readable_json(text: str) -> SafeString:
    """``text`` as a block, indented."""
    text = indented(text)
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return format_html('<pre class="se-payload">{}</pre>', shown)


def aside(text: str) -> SafeString:
    """``text`` as a quiet second line of a cell; nothing if there is none."""
    return format_html('<div class="help">{}</div>', text) if text else SafeString("")


def link(url: str, text: str) -> SafeString | str:
    """``text`` as a link, or as it is where there is nothing to link to."""
    return format_html('<a href="{}">{}</a>', url, text) if url else text


def duration(value: timedelta) -> str:
    """``value`` in its two largest units, such as “4 min 12 s”."""
    seconds = int(value.total_seconds())
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    parts = [
        (days, pgettext("unit of time", "d")),
        (hour, pgettext("unit of time", "h")),
        (minute, pgettext("unit of time", "min")),
        (second, pgettext("unit of time", "s")),
    ]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    largest, *rest = parts[:2]
    return " ".join(f"{amount} {unit}" for amount, unit in (largest, *(part for part in rest if part[0])))
