"""What an entry carries, as far as it can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from stream_events.events import PAYLOAD


def json_object(text: bytes | None) -> dict[str, Any]:
    """The JSON object in ``text``; an empty one for what is none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text or b"")
        if isinstance(found, dict):
            return found
    return {}


def event_name(fields: Mapping[bytes, bytes]) -> str:
    """What the event is about and what happened, such as “shop.order create”; empty for what is no event."""
    found = json_object(fields.get(PAYLOAD))
    return " ".join(str(found[name]) for name in ("obj_type", "action") if found.get(name))


def failure(stored: bytes | None) -> dict[str, Any]:
    """The ``error``, ``traceback`` and ``handlers`` of the last failure of an entry; empty if none is stored."""
    found = json_object(stored)
    if not found:
        return {}
    names = found.get("handlers")
    texts = {name: str(found.get(name) or "") for name in ("error", "traceback")}
    return {**texts, "handlers": [*map(str, names)] if isinstance(names, list) else []}
