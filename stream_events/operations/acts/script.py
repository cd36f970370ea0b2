"""The script that acts upon pending entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream_events.conf import get_settings
from stream_events.consuming.replies import milliseconds
from stream_events.consuming.scripts import Scripts
from stream_events.operations.names import raw, readable
from stream_events.operations.orders import Target, Verb


def act_upon(
    scripts: Scripts,
    group: bytes,
    verb: Verb,
    targets: Sequence[Target],
    *,
    consumer: str = "",
    requeued: bool = False,
) -> list[str]:
    """Do what ``verb`` says to ``targets``; returns for each an empty string, or what ``skip_reason`` explains."""
    idle = milliseconds(get_settings().claim_idle)
    arguments: list[Any] = [group, verb.value, raw(consumer), int(requeued), idle]
    for target in targets:
        is_known = target.owner or target.delivery_count
        arguments += [target.id, raw(target.owner), target.delivery_count if is_known else ""]
    return [readable(one) for one in scripts.run("act", arguments)]
