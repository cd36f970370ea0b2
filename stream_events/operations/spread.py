"""How old pending entries are, and how often they were delivered: of the first ones, which are the oldest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from stream_events.events import entry_time
from stream_events.operations.holding import PendingList
from stream_events.operations.pages import STEP

SAMPLE = 10_000  # entries, at most
AGES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
DELIVERIES = (1, 2, 4)  # up to once, twice, four times


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Numbers of entries: by age, up to each of ``AGES`` and above them; by deliveries in the same way."""

    total: int = 0
    seen: int = 0  # entries that were looked at
    ages: tuple[int, ...] = (0,) * (len(AGES) + 1)
    deliveries: tuple[int, ...] = (0,) * (len(DELIVERIES) + 1)


def pending_spread(stream: str, group: str) -> Spread:
    """What the first ``SAMPLE`` pending entries of ``group`` are like; nothing for a group that is not there."""
    pending = PendingList(stream, group)
    facts = pending.facts()
    if facts is None:
        return Spread()
    now = entry_time(f"{int(facts.now)}-0")
    ages: Counter[int] = Counter()
    deliveries: Counter[int] = Counter()
    for row in islice(pending.rows(None, "-", "+", STEP), SAMPLE):
        age = now - entry_time(row["message_id"].decode())
        ages[sum(age > limit for limit in AGES)] += 1
        deliveries[sum(row["times_delivered"] > limit for limit in DELIVERIES)] += 1
    return Spread(
        total=facts.total,
        seen=ages.total(),
        ages=tuple(ages[at] for at in range(len(AGES) + 1)),
        deliveries=tuple(deliveries[at] for at in range(len(DELIVERIES) + 1)),
    )
