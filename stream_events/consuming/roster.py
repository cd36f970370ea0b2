"""Who is in a group: the leases of its consumers, and what becomes of the entries of dead ones."""

from __future__ import annotations

from dataclasses import dataclass

from stream_events.consuming.group import START, Group
from stream_events.consuming.replies import CHUNK, claimed, decoded, milliseconds
from stream_events.events import Entry

NOBODY = ""  # the owner of entries that were given up with XNACK (Redis 8.8)


@dataclass(frozen=True, slots=True)
class Member:
    """A consumer of the group; ``lease`` is what is left of it in seconds, None when it has none."""

    name: str
    pending: int
    idle: float
    lease: float | None


class Roster:
    """The consumers of ``group``, seen by one of them."""

    def __init__(self, group: Group) -> None:
        self._group = group

    def renew(self, lease: float) -> bool:
        """Let this consumer's lease end ``lease`` seconds from now; False when it had run out or there was none."""
        return bool(self._group.run("renew", self._group.consumer, milliseconds(lease)))

    def others(self) -> list[Member]:
        """Everybody else; ``NOBODY`` is among them when entries have no owner."""
        keys, group = self._group.keys, self._group
        pipeline = group.client.pipeline(transaction=False)
        pipeline.xinfo_consumers(keys.stream, group.name)
        pipeline.zrange(keys.consumers, 0, -1, withscores=True)
        pipeline.xpending(keys.stream, group.name)
        pipeline.time()
        consumers, scores, summary, (seconds, microseconds) = pipeline.execute()
        now = seconds + microseconds / 1e6
        leases = {name: score / 1000 - now for name, score in scores}
        found = [
            Member(
                one["name"].decode(errors="surrogateescape"),
                one["pending"],
                one["idle"] / 1000,
                leases.get(one["name"]),
            )
            for one in consumers
        ]
        ownerless = summary["pending"] - sum(one.pending for one in found)
        if ownerless > 0:
            found.append(Member(NOBODY, ownerless, 0.0, None))
        gone = leases.keys() - {one["name"] for one in consumers}
        found += [Member(name.decode(errors="surrogateescape"), 0, 0.0, leases[name]) for name in gone]
        return [one for one in found if one.name != group.consumer]

    def adopt(self, owner: str, count: int, idle: float, after: str = START) -> tuple[str, list[Entry], list[str]]:
        """Take up to ``count`` entries of ``owner``, unless it has a living lease.

        If it never had one, only entries that were left alone for ``idle`` seconds. ``after`` is where to go on;
        returns the next such place (empty at the end), the entries, and ids of entries that were trimmed.
        """
        name = owner.encode(errors="surrogateescape")
        arguments = (self._group.consumer, name, after, min(count, CHUNK), milliseconds(idle))
        place, taken, gone = self._group.run("adopt", *arguments)
        entries = [one._replace(is_suspect=True, was_only_read=one.delivery_count == 1) for one in claimed(taken)]
        return place.decode(), entries, decoded(gone)

    def remove(self, consumer: str) -> bool:
        """Remove a consumer without a living lease, unless it holds entries; True when it was removed."""
        return self._leave(consumer, itself=False)

    def leave(self) -> bool:
        """Remove this consumer, unless it holds entries; True when it was removed."""
        return self._leave(self._group.consumer, itself=True)

    def _leave(self, name: str, *, itself: bool) -> bool:
        return bool(self._group.run("leave", name.encode(errors="surrogateescape"), int(itself)))
