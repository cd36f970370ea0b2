"""How what events carry looks on the pages: as the project's formatter wants it, and only for those who may see it."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from stream_events.admin.access import may_see_payload
from stream_events.admin.display import SHOWN, indented
from stream_events.conf import get_settings
from stream_events.events import (
    CAUSATION_ID,
    CORRELATION_ID,
    EVENT_ID,
    OCCURRED_AT,
    PAYLOAD,
    REQUEUED_ENTRY_ID,
    REQUEUED_HANDLER,
)
from stream_events.operations.contents import event_name, json_object

PREVIEW = 120  # characters that a list shows

# Fields that say something about an event; all others are what it carries.
HEADERS = (EVENT_ID, OCCURRED_AT, CORRELATION_ID, CAUSATION_ID, REQUEUED_ENTRY_ID, REQUEUED_HANDLER, "traceparent")

log = logging.getLogger("stream_events.admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What one event carries. ``text`` is None if it is not shown, and ``note`` says why."""

    size: int  # bytes
    keys: tuple[str, ...]
    text: str | None
    note: str = ""

    @property
    def is_long(self) -> bool:
        return len(self.text or "") > SHOWN

    @property
    def raw(self) -> str:
        """What a page shows of the text as it is."""
        return (self.text or "")[:SHOWN]

    @property
    def pretty(self) -> str:
        """The same, indented if it is JSON; empty if that would be no different."""
        pretty = indented(self.text or "")
        return pretty[:SHOWN] if pretty != self.text else ""

    def preview(self) -> SafeString:
        """One line of a list."""
        if self.text is not None:
            return format_html("<code>{}</code>", Truncator(self.text).chars(PREVIEW))
        return format_html('<span class="se-quiet">{}</span>', self.summary())

    def summary(self) -> str:
        """Size and keys, which everybody may see, and why there is no more."""
        parts = [filesizeformat(self.size)]
        if self.keys:
            parts.append(Truncator(_("keys: %s") % ", ".join(self.keys)).chars(PREVIEW))
        if self.note:
            parts.append(self.note)
        return " · ".join(parts)


def payload(request: HttpRequest, fields: Mapping[bytes, bytes]) -> Payload:
    """The payload in the fields of an entry, as the user of ``request`` may see it."""
    raw = carried(fields)
    return shown_payload(request, raw)


def shown_payload(request: HttpRequest, raw: bytes) -> Payload:
    """``raw`` as the user of ``request`` may see it."""
    keys = tuple(json_object(raw))
    if not may_see_payload(request):
        return Payload(size=len(raw), keys=keys, text=None)
    text, note = _formatted(raw)
    return Payload(size=len(raw), keys=keys, text=text, note=note)


def carried(fields: Mapping[bytes, bytes]) -> bytes:
    """The payload; that of an entry of another program is all of its fields, as JSON."""
    if PAYLOAD in fields:
        return fields[PAYLOAD]
    rest = {_text(name): _text(value) for name, value in fields.items() if _text(name) not in HEADERS}
    return json.dumps(rest, ensure_ascii=False).encode() if rest else b""


def shown_event(request: HttpRequest, fields: Mapping[bytes, bytes] | None) -> str:
    """What has happened, such as “shop.order create”; empty for those who may not see it, and for what is no event."""
    return event_name(fields) if fields and may_see_payload(request) else ""


def headers(fields: Mapping[bytes, bytes]) -> list[tuple[str, str]]:
    """The fields beside the payload that say something about the event."""
    found = {_text(name): _text(value) for name, value in fields.items()}
    return [(name, found[name]) for name in HEADERS if name in found]


def _formatted(raw: bytes) -> tuple[str | None, str]:
    path = get_settings().admin.payload_formatter
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        if path:  # it is there to hide something, and takes text
            return None, _("hidden: it is no text, and the formatter takes nothing else")
        return base64.b64encode(raw).decode(), _("not UTF-8: shown in base64")
    if not path:
        return text, ""
    try:
        formatter: Any = import_string(path)
        return str(formatter(text)), ""
    except Exception:  # whatever it raises, the raw text is not what it wanted to be shown
        log.exception("The payload formatter %s failed", path)
        return None, _("hidden: the formatter failed")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
