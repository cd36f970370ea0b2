"""What a consumer takes beside new entries: what is due, requeued, left behind by the dead, or its own and lost."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable

import redis

from stream_events.consuming.context import Context
from stream_events.consuming.group import START
from stream_events.consuming.hand import Hand
from stream_events.consuming.lanes import Work
from stream_events.consuming.replies import is_group_gone
from stream_events.consuming.roster import NOBODY, Member, Roster
from stream_events.consuming.settlement import Settlement
from stream_events.events import Entry
from stream_events.keys import RETRY_OWNER

logger = logging.getLogger("stream_events")

REQUEUE_INTERVAL = 0.5  # seconds; how often requeued entries are looked for
SWEEP_INTERVAL = 5.0  # and the other consumers, at most
MEND_INTERVAL = 600.0
IDLE_CONSUMER = 60.0  # one of another program that holds nothing for this long, and for CLAIM_IDLE, is taken for gone

Found = tuple[Hand, list[Entry]]


class Recovery:
    """Looks after the entries of one group that are pending without being handled.

    ``take`` does what is due at the moment, and gives at most one kind of entries each time.
    """

    def __init__(self, context: Context, settlement: Settlement) -> None:
        self._has_swept = False
        self._hand = context.hand
        self._requeued = context.requeued
        self._lease = context.lease
        self._tally = context.tally
        self._settings = settings = context.settings
        self._settlement = settlement
        self._has_requeued = False
        self._waiting: dict[Hand, int] = {}
        self._pause = 0.0
        self._adoptable: deque[tuple[Hand, Member, str]] = deque()
        self._due_at = self._sweep_at = self._requeue_at = 0.0
        self._orphans_at = time.monotonic() + settings.lease / 2
        self._mend_at: dict[Hand, float] = {}

    def take(self, room: int) -> Found | None:
        """Up to ``room`` entries that need somebody; raises ``redis.RedisError``."""
        now = time.monotonic()
        if now >= self._orphans_at:
            self._look_at(self._release_orphans)
            self._orphans_at = now + self._settings.lease / 2
        for look in (self._take_due, self._take_requeued, self._take_adoptable):
            found = look(now, room)
            if found:
                return found
        return None

    @property
    def waiting(self) -> int:
        """How many entries of the stream wait in the group."""
        return self._waiting.get(self._hand, 0)

    def next_look(self) -> float:
        """The moment of this process's clock when ``take`` has something to look at."""
        if self._adoptable:
            return 0.0
        requeue_at = self._requeue_at if self._has_requeued else self._due_at
        return min(self._next_due(), self._sweep_at, self._orphans_at, requeue_at)

    def _next_due(self) -> float:
        return min(self._due_at, self._hand.due_at, self._requeued.due_at)

    def is_sweeping(self) -> bool:
        return bool(self._adoptable) or not self._has_swept

    def suspect_orphans(self) -> None:
        """A reply was lost: entries may be this consumer's without its knowing."""
        self._orphans_at = 0.0

    def _take_due(self, now: float, room: int) -> Found | None:
        if now < self._next_due():
            return None
        self._hand.due_at = self._requeued.due_at = float("inf")
        self._pause = min(self._settings.block, SWEEP_INTERVAL)
        found = self._look_at(lambda hand: self._due(hand, room))
        if not found:
            self._due_at = now + max(self._pause, 0.001)
        return found

    def _due(self, hand: Hand, room: int) -> Found | None:
        found = hand.group.due(room)
        self._settlement.report_trimmed(hand, found.trimmed)
        self._waiting[hand] = found.waiting
        self._has_requeued = self._has_requeued or found.has_requeued
        if found.wait is not None:
            self._pause = min(self._pause, found.wait)
        return (hand, hand.take(found.entries)) if found.entries else None

    def _take_requeued(self, now: float, room: int) -> Found | None:
        if not self._has_requeued or now < self._requeue_at:
            return None
        found = self._look_at(lambda hand: self._read(hand, room) if hand is self._requeued else None)
        if not found:
            self._requeue_at = now + REQUEUE_INTERVAL
        return found

    def _read(self, hand: Hand, room: int) -> Found | None:
        entries = hand.group.read(room, None)
        return (hand, hand.take(entries)) if entries else None

    def _take_adoptable(self, now: float, room: int) -> Found | None:
        if not self._adoptable and now >= self._sweep_at:
            self._sweep_at = now + min(SWEEP_INTERVAL, self._settings.lease / 4) * random.uniform(0.75, 1.25)  # noqa: S311
            self._look_at(lambda hand: self._sweep(hand, now))
            self._has_swept = True
        while self._adoptable:
            hand, member, after = self._adoptable.popleft()
            after, entries, trimmed = Roster(hand.group).adopt(member.name, room, self._settings.claim_idle, after)
            if after:
                self._adoptable.appendleft((hand, member, after))
            self._settlement.report_trimmed(hand, trimmed)
            if entries:
                self._tally.add("adopted", len(entries))
                logger.warning(
                    "entries_adopted stream=%s group=%s consumer=%r count=%s",
                    hand.group.keys.stream,
                    hand.group.name,
                    member.name,
                    len(entries),
                )
                return hand, hand.take(entries)
        return None

    def _sweep(self, hand: Hand, now: float) -> None:
        """Plan what to adopt, remove consumers that are gone, and see to waiting entries without a due time."""
        roster = Roster(hand.group)
        for member in roster.others():
            if member.name == RETRY_OWNER:
                if member.pending > self._waiting.get(hand, 0) or now >= self._mend_at.get(hand, now):
                    hand.group.mend_waiting()
                    self._mend_at[hand] = now + MEND_INTERVAL
            elif self._is_gone(member, now):
                if member.pending:
                    self._adoptable.append((hand, member, START))
                elif hand is self._hand:  # which looks at both streams
                    roster.remove(member.name)

    def _is_gone(self, member: Member, now: float) -> bool:
        """Whether the member is dead, or may hold entries that are idle for long enough."""
        if member.lease is not None:
            return member.lease <= 0 and self._lease.is_settled(now)
        idle = member.idle > max(self._settings.claim_idle, IDLE_CONSUMER)
        return member.name == NOBODY or bool(member.pending) or idle

    def _release_orphans(self, hand: Hand) -> None:
        """Entries that Redis counts as this consumer's, and that it does not have, are for anybody."""
        place = START
        while place:
            place, entries = hand.group.own_pending(place)
            # The count of a first delivery is that of a read; what was never seen was not started either.
            lost = [
                entry._replace(was_only_read=entry.delivery_count == 1)
                for entry in entries
                if entry.entry_id not in hand
            ]
            if lost:
                logger.warning("orphans_found stream=%s count=%s", hand.group.keys.stream, len(lost))
                self._settlement.hand_back([Work(hand, entry, 0) for entry in lost])
                self._due_at = 0.0

    def _look_at(self, look: Callable[[Hand], Found | None]) -> Found | None:
        """What ``look`` finds in the stream, or else in what was requeued, which may be done with by now."""
        found = look(self._hand)
        if found or not self._has_requeued:
            return found
        try:
            return look(self._requeued)
        except redis.ResponseError as error:
            if not is_group_gone(error):
                raise
            self._has_requeued = False
            return None
