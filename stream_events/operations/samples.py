"""How history lies in Redis: a hash for each series and period, in it a few bytes for each step of the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from stream_events.keys import NO_GROUP, stats_key

Number = int | None


@dataclass(frozen=True, slots=True)
class Tier:
    """One resolution of the history; a period is what one hash holds, short enough for Redis's compact form of it."""

    name: str
    step: int  # seconds
    period: int  # seconds
    keep: int  # seconds

    def key(self, stream: str, group: str, period: int, prefix: str) -> str:
        return stats_key(stream, group, f"{self.name}:{period}", prefix)

    def periods(self, since: float, until: float) -> range:
        """The numbers of the periods that lie between two moments."""
        return range(int(since) // self.period, int(until) // self.period + 1)


MINUTES = Tier("1m", 60, 3600, 86400)
TEN_MINUTES = Tier("10m", 600, 86400, 7 * 86400)
HOURS = Tier("1h", 3600, 7 * 86400, 90 * 86400)
TIERS = (MINUTES, TEN_MINUTES, HOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One group of one stream at one moment, in counters; None is what Redis did not know.

    A sample of the stream itself knows ``length`` and ``added`` only.
    """

    at: datetime
    length: int | None = None
    added: int | None = None  # entries that the stream ever got
    read: int | None = None  # entries that the group ever read
    pending: int | None = None
    lag: int | None = None
    time_lag: int | None = None  # seconds
    oldest_idle: int | None = None  # seconds
    dead: int | None = None

    @property
    def handled(self) -> int | None:
        """Entries that the group ever acknowledged."""
        return None if self.read is None or self.pending is None else self.read - self.pending


OF_STREAM = ("length", "added")
OF_GROUP = ("read", "pending", "lag", "time_lag", "oldest_idle", "dead")


def packed(numbers: Iterable[Number]) -> bytes:
    """``numbers`` of zero or more in seven bits a byte, the highest bit set where more follow; zero is None."""
    found = bytearray()
    for number in numbers:
        rest = 0 if number is None else max(number, 0) + 1
        while rest > 127:
            found.append(rest & 127 | 128)
            rest >>= 7
        found.append(rest)
    return bytes(found)


def unpacked(data: bytes) -> list[Number]:
    """What ``packed`` was given."""
    found: list[Number] = []
    rest = shift = 0
    for byte in data:
        rest |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(rest - 1 if rest else None)
            rest = shift = 0
    return found


def write(pipeline: Any, name: tuple[str, str], sample: Sample, prefix: str) -> None:
    """Put ``sample`` into all tiers; the last one of a step counts, so a counter is that at the end of its step."""
    for tier in TIERS:
        put(pipeline, tier, name, sample, prefix)


def put(pipeline: Any, tier: Tier, name: tuple[str, str], sample: Sample, prefix: str) -> None:
    """Put ``sample`` into one tier."""
    stream, group = name
    at = int(sample.at.timestamp())
    numbers = [getattr(sample, field) for field in (OF_STREAM if group == NO_GROUP else OF_GROUP)]
    key = tier.key(stream, group, at // tier.period, prefix)
    pipeline.hset(key, at % tier.period // tier.step, packed([at % tier.step, *numbers]))
    pipeline.expire(key, tier.keep + tier.step)  # after the last of its samples


def read(
    client: redis.Redis, names: Sequence[tuple[str, str]], tier: Tier, periods: range, prefix: str
) -> dict[tuple[str, str], dict[int, Sample]]:
    """The samples of each series by the number of their step, in one round trip."""
    wanted = [*dict.fromkeys([*names, *((stream, NO_GROUP) for stream, _ in names)])]
    pipeline = client.pipeline(transaction=False)
    for stream, group in wanted:
        for period in periods:
            pipeline.hgetall(tier.key(stream, group, period, prefix))
    replies = iter(pipeline.execute())
    found = {name: dict(_steps(name[1], tier, zip(periods, replies, strict=False))) for name in wanted}
    return {name: _joined(found[name], found[name[0], NO_GROUP], tier) for name in names}


def _steps(
    group: str, tier: Tier, hashes: Iterable[tuple[int, dict[bytes, bytes]]]
) -> Iterator[tuple[int, dict[str, Number]]]:
    fields = ("second", *(OF_STREAM if group == NO_GROUP else OF_GROUP))
    for period, steps in hashes:
        for step, data in steps.items():
            with suppress(ValueError):  # nothing of ours
                numbers = dict(zip(fields, unpacked(data), strict=True))
                yield period * (tier.period // tier.step) + int(step), numbers


def _joined(
    own: dict[int, dict[str, Number]], of_stream: dict[int, dict[str, Number]], tier: Tier
) -> dict[int, Sample]:
    found = {}
    for step in sorted(own):
        numbers = of_stream.get(step, {}) | own[step]
        at = datetime.fromtimestamp(step * tier.step + (numbers.pop("second") or 0), tz=UTC)
        found[step] = Sample(at=at, **numbers)
    return found
