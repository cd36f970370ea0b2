"""The script that acts upon pending entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream_events.conf import get_settings
from stream_events.consuming.replies import milliseconds
from stream_events.consuming.scripts import Scripts
from stream_events.operations.names import raw, readable
from stream_events.operations.orders import Target, Verb


class PendingScript:
    """Acts upon entries of ``group``, or with ``requeued`` upon those that were requeued to it."""

    def __init__(self, scripts: Scripts, group: bytes, *, requeued: bool) -> None:
        self._scripts = scripts
        self._group = group
        self._requeued = requeued

    def run(self, verb: Verb, targets: Sequence[Target], consumer: str = "") -> list[str]:
        """Do what ``verb`` says; returns for each target an empty string, or what ``skip_reason`` explains."""
        idle = milliseconds(get_settings().claim_idle)
        arguments: list[Any] = [self._group, verb.value, raw(consumer), int(self._requeued), idle]
        for target in targets:
            is_known = target.owner or target.delivery_count
            arguments += [target.id, raw(target.owner), target.delivery_count if is_known else ""]
        return [readable(one) for one in self._scripts.run("act", arguments)]
