"""Who is in a group, as Redis and the leases say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from stream_events.keys import RETRY_OWNER

WAITING = RETRY_OWNER.encode()  # no consumer, but the owner of entries that wait
MOST_LEASES = 1000


class Member(NamedTuple):
    """One consumer; ``lease`` is what is left of it, not above zero if it ran out, None if it never had one."""

    name: bytes
    pending: int
    idle: timedelta
    inactive: timedelta | None
    lease: timedelta | None

    def is_alive(self, claim_idle: float) -> bool:
        """Whether it is at work; who has no lease is, until it is silent for ``claim_idle`` seconds."""
        if self.lease is not None:
            return self.lease > timedelta(0)
        return self.name != WAITING and self.idle < timedelta(seconds=claim_idle)


def ask_leases(pipeline: Any, key: bytes) -> None:
    """Ask for what ``leases`` reads: those that end last, and every group has fewer."""
    pipeline.zrange(key, 0, MOST_LEASES - 1, desc=True, withscores=True)


def leases(reply: Iterable[Sequence[Any]], now: float) -> dict[bytes, timedelta]:
    """What is left of each lease at ``now``, in milliseconds since the epoch."""
    return {name: timedelta(milliseconds=ends - now) for name, ends in reply}


def server_time(reply: Sequence[int]) -> float:
    """Redis's clock, in milliseconds since the epoch."""
    seconds, microseconds = reply
    return seconds * 1000 + microseconds / 1000


def members(consumers: Iterable[dict[str, Any]], known: dict[bytes, timedelta]) -> list[Member]:
    """Those that Redis knows, then those of which it has only the lease, because they have not read yet."""
    found = [
        Member(
            one["name"],
            one["pending"],
            timedelta(milliseconds=one["idle"]),
            timedelta(milliseconds=one["inactive"]) if one.get("inactive", -1) >= 0 else None,
            known.get(one["name"]),
        )
        for one in consumers
    ]
    others = known.keys() - {one.name for one in found}
    return found + [Member(name, 0, max(timedelta(0), -known[name]), None, known[name]) for name in sorted(others)]
