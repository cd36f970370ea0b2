"""What is to become of dead letters."""

from __future__ import annotations

from collections.abc import Iterable

from stream_events.conf import get_settings
from stream_events.connections import inspecting_client
from stream_events.consuming.replies import decoded
from stream_events.consuming.scripts import Scripts
from stream_events.events import DEAD_FIELDS, unpack_fields
from stream_events.keys import group_keys

CHUNK = 100  # dead letters in one command


def requeue(stream: str, group: str, dead_letter_ids: Iterable[str]) -> list[str]:
    """Have dead letters of ``group`` handled again, by that group only and by the handlers they were for.

    Returns the ids of those that were moved: one that is not there any more is none of them, so that doing it
    twice does it once.
    """
    keys = group_keys(stream, group, get_settings().key_prefix)
    scripts = Scripts(inspecting_client(), keys)
    ids = list(dead_letter_ids)
    moved: list[str] = []
    for start in range(0, len(ids), CHUNK):
        moved += decoded(scripts.run("requeue", [group, *ids[start : start + CHUNK]]))
    return moved


def entry_fields(letter: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The fields of the entry that a dead letter keeps, whether as they were or packed into one."""
    if DEAD_FIELDS in letter:
        return unpack_fields(letter[DEAD_FIELDS])
    return {name: value for name, value in letter.items() if not name.startswith(b"dead_")}
