"""Which streams there are: those of the project, and what else lies in Redis."""

from __future__ import annotations

import re
from typing import Any

from stream_events.conf import get_settings
from stream_events.connections import inspecting_client
from stream_events.keys import is_derived
from stream_events.operations.names import readable
from stream_events.operations.pages import DEFAULT_BUDGET, STEP, Budget, Page, Spending
from stream_events.publishing.publisher import publishers
from stream_events.registry import handlers

_GLOB = re.compile(r"([\\*?\[\]^])")


def known_streams() -> list[str]:
    """Streams that models of this project publish to, or that have handlers."""
    declared = {publisher.stream for publisher in publishers if publisher.attachments}
    return sorted(declared | handlers.streams())


def discover_streams(budget: Budget = DEFAULT_BUDGET, *, after: str = "", size: int = 100) -> Page[str]:
    """Streams under ``KEY_PREFIX`` that the project does not declare, in no order that lasts; ``total`` is unknown.

    What belongs to a stream, such as its dead letters, is left out. ``scanned`` are keys of any kind. A page may
    have more rows than ``size``, and a stream may be on two pages: Redis walks its keys in steps.
    """
    prefix = get_settings().key_prefix
    known, start = set(known_streams()), len(prefix.encode())
    spending, names, cursor = Spending(budget), set(), int(after or 0)
    while True:
        reply: Any = inspecting_client().scan(
            cursor, match=_GLOB.sub(r"\\\1", prefix) + "*", count=STEP, _type="stream"
        )
        cursor = int(reply[0])
        spending.rows += STEP
        names |= {readable(key[start:]) for key in reply[1] if not is_derived(key, prefix)} - known
        if not cursor or len(names) >= size or spending.is_over():
            is_cut = bool(cursor) and len(names) < size
            rows = tuple(sorted(names))
            return Page(rows=rows, after=str(cursor) if cursor else None, scanned=spending.rows, is_cut=is_cut)
