"""The last hour of what a list shows, as far as anybody has kept it."""

from __future__ import annotations

from collections.abc import Iterable

from stream_events.conf import get_settings
from stream_events.operations.history import Point, recent_series

Names = tuple[str, str]


def histories(names: Iterable[Names]) -> dict[Names, tuple[Point, ...]]:
    """The points of many streams and groups, asked for at once; none where no history is kept."""
    wanted = list(names)
    if not wanted or not get_settings().metrics.enabled:
        return {}
    return {name: found.points for name, found in recent_series(wanted).items()}
