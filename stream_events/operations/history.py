"""What streams and groups looked like, minute by minute: taken by consumers, kept in Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import redis

from stream_events.conf import Settings, get_settings
from stream_events.connections import explain, inspecting_client
from stream_events.exceptions import StreamEventsError
from stream_events.keys import NO_GROUP, stats_index_key, stream_key, tick_key
from stream_events.operations.inspection import GroupState, StreamState, known_streams, stream_states
from stream_events.operations.samples import HOURS, MINUTES, TEN_MINUTES, TIERS, Sample, read, write

logger = logging.getLogger("stream_events")

MINUTE = 60
TICK = 90  # seconds that the winner of a minute is known for
AWAY = 10.0  # seconds before Redis is asked again that did not answer

# The settings under which Redis was asked the last time, and when it is worth asking again.
_asked: tuple[Settings, float] | None = None


class Span(Enum):
    """How far back a series goes, and the seconds between two of its points."""

    HOUR = ("1h", 3600, 60)
    DAY = ("24h", 86400, 60)
    WEEK = ("7d", 7 * 86400, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the charts draw: rates a minute and gauges; None is a gap."""

    at: datetime
    incoming: float | None
    handled: float | None
    lag: float | None
    time_lag: float | None
    pending: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The points of one group, oldest first, evenly spaced; without a group ``incoming`` only.

    ``pending`` and ``lag`` are those at the end of a step. Rates are means since the sample before, so that a minute
    that nobody sampled is a gap, and what happened in it is not lost. There is a gap as well where a counter went
    backwards, because something was deleted or reset, and where Redis does not count: before 7.0 it counts nothing,
    and after XGROUP SETID it does not know what a group has read until that is at the end of the stream.
    """

    stream: str
    group: str
    points: tuple[Point, ...]


def keep(**_: Any) -> None:
    """Take the samples of this minute; a receiver of ``signals.housekeeping``."""
    take_sample()


def take_sample(at: datetime | None = None) -> bool:
    """Write this minute's samples of the project's streams, unless somebody has; True when this call did.

    ``at`` is another moment than the present one of the server. Never raises because of Redis: what cannot be sampled
    now is a gap. Costs nothing when this process has asked in the same minute.
    """
    global _asked
    try:
        settings = get_settings()
        if not settings.metrics.enabled or (at is None and _asked_lately(settings)):
            return False
        _asked = (settings, time.monotonic() + AWAY)
        client = inspecting_client()
        now = at.timestamp() if at else _now(client)
        _asked = (settings, time.monotonic() + MINUTE - now % MINUTE)
        if not client.set(tick_key(int(now) // MINUTE, settings.key_prefix), 1, nx=True, ex=TICK):
            return False
        return _write(client, datetime.fromtimestamp(now, tz=UTC), settings.key_prefix)
    except (redis.RedisError, OSError, StreamEventsError) as error:
        logger.debug("sample_missed error=%r", explain(error))
        return False


def series(stream: str, group: str, span: Span) -> Series:
    """What is known of one group over ``span``."""
    return many_series([(stream, group)], span)[stream, group]


def recent_series(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Series]:
    """The last hour of many groups, in one round trip, for the sparklines of a list."""
    return many_series(names, Span.HOUR)


def many_series(names: Iterable[tuple[str, str]], span: Span) -> dict[tuple[str, str], Series]:
    """As ``series``, of streams and groups, in one round trip after the one for the server's time."""
    wanted = list(dict.fromkeys(names))
    _, length, step = span.value
    tier = MINUTES if step == MINUTES.step else TEN_MINUTES
    client = inspecting_client()
    last = int(_now(client)) // step
    steps = range(last - length // step + 1, last + 1)
    periods = tier.periods((steps.start - 1) * step, last * step)
    found = read(client, wanted, tier, periods, get_settings().key_prefix)
    return {
        (stream, group): Series(stream=stream, group=group, points=tuple(_points(found[stream, group], steps, step)))
        for stream, group in wanted
    }


def history_size() -> int:
    """The bytes of Redis's memory that the history of the project's streams takes."""
    client = inspecting_client()
    pipeline = client.pipeline(transaction=False)
    for stream in known_streams():
        for key in _keys(client, stream):
            pipeline.memory_usage(key)
    return sum(size or 0 for size in pipeline.execute())


def remembered_groups(stream: str) -> set[str]:
    """The groups of ``stream`` that there is history of, also where they are gone."""
    names: Any = inspecting_client().smembers(stats_index_key(stream, get_settings().key_prefix))
    return {name.decode() for name in names} - {NO_GROUP}


def purge_history(stream: str | None = None) -> int:
    """Delete the history of ``stream``, or of all of the project's streams; returns how many hashes there were."""
    client = inspecting_client()
    pipeline = client.pipeline(transaction=False)
    for one in known_streams() if stream is None else [stream]:
        for key in _keys(client, one):
            pipeline.unlink(key)
    return sum(pipeline.execute())


def _asked_lately(settings: Settings) -> bool:
    return _asked is not None and _asked[0] is settings and time.monotonic() < _asked[1]


def _now(client: redis.Redis) -> float:
    """The server's time, the only one that everybody shares."""
    seconds, microseconds = client.time()
    return float(seconds) + microseconds / 1e6


def _write(client: redis.Redis, at: datetime, prefix: str) -> bool:
    states = [state for state in stream_states(known_streams()) if state.exists]
    idle = _oldest_idle(client, states, prefix)
    pipeline = client.pipeline(transaction=False)
    for state in states:
        write(pipeline, (state.name, NO_GROUP), Sample(at=at, length=state.length, added=state.added), prefix)
        groups = [group for group in state.groups if group.exists]
        for group in groups:
            write(pipeline, (state.name, group.name), _sample(at, group, idle.get((state.name, group.name))), prefix)
        index = stats_index_key(state.name, prefix)
        pipeline.sadd(index, NO_GROUP, *(group.name for group in groups))
        pipeline.expire(index, HOURS.keep)
    replies = pipeline.execute(raise_on_error=False)
    problem = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if problem:
        logger.debug("sample_refused error=%r", explain(problem))
    return problem is None


def _sample(at: datetime, group: GroupState, idle: int | None) -> Sample:
    return Sample(
        at=at,
        read=group.entries_read,
        pending=group.pending,
        lag=group.lag,
        time_lag=None if group.time_lag is None else int(group.time_lag.total_seconds()),
        oldest_idle=idle,
        dead=group.dead,
    )


def _oldest_idle(client: redis.Redis, states: list[StreamState], prefix: str) -> dict[tuple[str, str], int]:
    """Seconds for which nobody has touched the oldest pending entry of each group."""
    busy = [(state.name, group.name) for state in states for group in state.groups if group.exists and group.pending]
    pipeline = client.pipeline(transaction=False)
    for stream, group in busy:
        pipeline.xpending_range(stream_key(stream, prefix), group, "-", "+", 1)
    replies = zip(busy, pipeline.execute(raise_on_error=False), strict=True)
    return {name: rows[0]["time_since_delivered"] // 1000 for name, rows in replies if isinstance(rows, list) and rows}


def _points(found: dict[int, Sample], steps: range, step: int) -> Iterator[Point]:
    before = next((found[at] for at in sorted(found, reverse=True) if at < steps.start), None)
    for at in steps:
        sample = found.get(at)
        moment = datetime.fromtimestamp(at * step, tz=UTC)
        if sample is None:
            yield Point(at=moment, incoming=None, handled=None, lag=None, time_lag=None, pending=None)
            continue
        yield Point(
            at=moment,
            incoming=_rate(before, sample, "added"),
            handled=_rate(before, sample, "handled"),
            lag=sample.lag,
            time_lag=sample.time_lag,
            pending=sample.pending,
        )
        before = sample


def _rate(before: Sample | None, sample: Sample, counter: str) -> float | None:
    """What ``counter`` gained in a minute; None if that is not known, or it went backwards."""
    old, new = getattr(before, counter, None), getattr(sample, counter)
    if before is None or old is None or new is None or new < old:
        return None
    return float((new - old) * MINUTE / max((sample.at - before.at).total_seconds(), 1.0))


def _keys(client: redis.Redis, stream: str) -> list[str]:
    """Every key that the history of ``stream`` may have."""
    prefix = get_settings().key_prefix
    index = stats_index_key(stream, prefix)
    groups = [name.decode() for name in client.smembers(index)]  # type: ignore[union-attr]
    now = _now(client)
    found = [
        tier.key(stream, group, period, prefix)
        for group in groups
        for tier in TIERS
        for period in tier.periods(now - tier.keep - tier.period, now)
    ]
    return [*found, index] if groups else []
