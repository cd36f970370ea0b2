"""Entries of a stream, read in steps that no server minds, whatever they weigh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stream_events.connections import inspecting_client
from stream_events.operations.pages import STEP, Budget, Spending
from stream_events.operations.places import LAST, Place, entry_id_at, place

WEIGHT = 1_000_000  # bytes that one step should answer
FIRST_STEP = 10  # entries, before it is known what they weigh
NEARBY = Budget(rows=1000, seconds=0.1)

Fields = dict[bytes, bytes]


def walk(
    key: bytes, first: Place, last: Place, size: int, *, newest_first: bool = True
) -> Iterator[tuple[str, tuple[str, Fields]]]:
    """The entries from ``first`` to ``last``, each as its id and what ``fill`` makes a row of.

    About ``size`` are wanted: of those, first a few, which tell how many more one command may read.
    """
    client = inspecting_client()
    start, end, step = entry_id_at(first), entry_id_at(last), min(size, FIRST_STEP)
    # From an end that lies before the first entry, XREVRANGE would go through all of the stream.
    oldest: Any = client.xrange(key, start, end, 1) if first <= last else []
    if not oldest:
        return
    while True:
        rows: Any = client.xrevrange(key, end, start, step) if newest_first else client.xrange(key, start, end, step)
        for entry_id, fields in rows:
            yield entry_id.decode(), (entry_id.decode(), fields)
        if len(rows) < step or rows[-1][0] == oldest[0][0]:
            return
        beyond = f"({rows[-1][0].decode()}"
        start, end = (start, beyond) if newest_first else (beyond, end)
        weight = sum(len(name) + len(value) for _, fields in rows for name, value in fields.items())
        size -= step
        step = max(1, min(size if size > 0 else STEP, STEP, WEIGHT * step // max(weight, 1)))


def written_for(key: bytes, field: bytes, entry_ids: Iterable[str], budget: Budget = NEARBY) -> dict[str, str]:
    """The entries of the stream ``key`` whose ``field`` names one of ``entry_ids``: their ids, by it.

    They are looked for among those that were written soon after the first of ``entry_ids`` was added.
    """
    wanted = set(entry_ids)
    found: dict[str, str] = {}
    if not wanted:
        return found
    spending = Spending(budget)
    first = min(map(place, wanted))[0], 0
    for written_id, (_, fields) in walk(key, first, LAST, STEP // 10, newest_first=False):
        if len(found) == len(wanted) or spending.is_over():
            break
        spending.rows += 1
        entry_id = fields.get(field, b"").decode("utf-8", "replace")
        if entry_id in wanted:
            found[entry_id] = written_id
    return found
