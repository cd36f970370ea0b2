"""Takes entries from Redis, turn by turn, and gives them to the lanes."""

from __future__ import annotations

import logging
import time

import redis

from stream_events.connections import explain, safe_url
from stream_events.consuming.context import Context
from stream_events.consuming.handling import Handling
from stream_events.consuming.lanes import Lanes, Work
from stream_events.consuming.outage import Outage
from stream_events.consuming.recovery import Found, Recovery
from stream_events.consuming.replies import follows, is_group_gone
from stream_events.events import Entry
from stream_events.exceptions import RedisUnavailableError

logger = logging.getLogger("stream_events")

ROOM_INTERVAL = 0.005  # seconds between looks at lanes that are full
FULL_INTERVAL = 0.5  # and at a group in which too many entries wait
GONE_INTERVAL = 0.1
MARK_ENTRIES = 100  # the mark is saved after so many acknowledged entries, and by the watch when there are fewer


class Reader:
    """Reads until ``is_over``: what must be recovered and what is new, in turns."""

    def __init__(self, context: Context, handling: Handling, recovery: Recovery) -> None:
        self.deadline = float("inf")
        self.drain_to: str | None = None  # the last entry to wait for, until it was read
        self._target = "0-0"  # the same, for ever
        self.seen = time.monotonic()  # when it last began with something
        self.outage = Outage(context.settings.url, context.halt)
        self._context = context
        self._handling = handling
        self._recovery = recovery
        self._mark = context.mark
        self._block = context.options.block or context.settings.block
        self._budget = context.options.max_events or float("inf")
        self._has_recovered = False  # in this turn; the next one is for new entries
        self._is_full = False

    def is_over(self) -> bool:
        """Whether the consumer has nothing more to do: it was told to stop, or a limit is reached."""
        if self._context.halt.is_asked() or time.monotonic() >= self.deadline:
            return True
        if self._budget < 1:
            return not self._held()
        if not self._context.options.drain or self.drain_to or self._has_recovered or self._recovery.is_sweeping():
            return False
        return not self._held() and (self._context.options.max_seconds is None or self.left() == 0)

    def looks_stuck(self, patience: float) -> bool:
        """Whether it has begun no turn, and made no attempt to reach Redis, for a read and ``patience`` seconds."""
        return time.monotonic() - self.seen > self._block + patience

    def turn(self, lanes: Lanes) -> None:
        """Take some entries and give them to ``lanes``; an outage is waited out."""
        self.seen = time.monotonic()
        term = self._context.lease.term
        work: list[Work] = []
        try:
            # What is finished goes first: after an outage it must not be claimed and handled again.
            self._flush()
            if found := self._next():
                work = [Work(found[0], entry, term) for entry in found[1]]
            lanes.give(work)
        except redis.RedisError as error:
            for one in work:
                one.hand.release([one.entry.entry_id])
            self._recovery.suspect_orphans()
            self._recover(error)
            return
        self._budget -= len(work)
        self.outage.over()

    def drain(self, last_id: str) -> None:
        """End when everything up to ``last_id`` is handled."""
        self.drain_to = self._target = last_id

    def left(self) -> int:
        """How many entries the group still holds, or has not read of those that were to be drained."""
        try:
            group, requeued = (hand.group for hand in self._context.hands)
            return group.pending_count() + group.unread(self._target) + requeued.length()
        except redis.RedisError as error:
            raise self._unavailable(error) from error

    def wait_out(self, error: redis.RedisError) -> None:
        """Pause after ``error``; raises ``RedisUnavailableError`` instead when draining."""
        if self._context.options.drain:
            raise self._unavailable(error) from error
        self.seen = time.monotonic()
        self.outage.wait(error, self.deadline - time.monotonic())

    def finish(self) -> None:
        """Send what is left to be sent; raises ``redis.RedisError``."""
        for hand in self._context.hands:
            hand.flush()
        self._mark.save()

    def _flush(self) -> None:
        now = time.monotonic()
        for hand in self._context.hands:
            if self._context.options.threads == 1 or hand.is_late(now) or self._room() < 1:
                hand.flush()
        self._mark.follow(self._context.hand.settled, MARK_ENTRIES)

    def _next(self) -> Found | None:
        room = self._room()
        if room < 1 or self._handling.is_paused:
            self._context.halt.wait(ROOM_INTERVAL)
            return None
        # In turns, so that a long list of entries that fail again and again keeps no new one waiting.
        found = None if self._has_recovered else self._recovery.take(room)
        self._has_recovered = bool(found)
        if found or self._has_too_many_waiting():
            return found
        if self._context.options.drain and not self.drain_to:
            if self._held() or self._context.options.max_seconds:
                self._context.halt.wait(self._time_to_wait(ROOM_INTERVAL if self._held() else self._block))
            return None
        return self._context.hand, self._context.hand.take(self._read(room))

    def _read(self, room: int) -> list[Entry]:
        wait = self._time_to_wait(self._block)
        # Neither recovering nor draining has time to wait for entries that are still to come.
        entries = self._context.hand.group.read(room, None if self.drain_to or wait <= 0 else wait)
        if entries:
            self._context.pace.note_size(
                len(entries), sum(len(value) for one in entries for value in one.fields.values())
            )
        if self.drain_to and (not entries or not follows(self.drain_to, entries[-1].entry_id)):
            self.drain_to = None
        return entries

    def _recover(self, error: redis.RedisError) -> None:
        group = self._context.hand.group
        try:
            if is_group_gone(error) and (start := self._mark.recreate()):
                logger.error(
                    "group_recreated stream=%s group=%s: it was gone; reading goes on after %s",
                    self._context.stream,
                    self._context.group,
                    start,
                )
                return
            if is_group_gone(error):
                self._context.halt.wait(GONE_INTERVAL)  # somebody else has made it, or it is made by the next turn
                return
            if "WRONGTYPE" in str(error):
                group.ensure()  # says what an operator has to do
        except redis.RedisError as another:
            error = another
        self.wait_out(error)

    def _has_too_many_waiting(self) -> bool:
        limit = self._context.settings.max_waiting
        is_full = self._recovery.waiting >= limit
        if is_full != self._is_full:
            self._is_full = is_full
            text = (
                "too many entries wait for a retry: no new ones are taken"
                if is_full
                else "new entries are taken again"
            )
            logger.error(
                "waiting_entries stream=%s count=%s limit=%s: %s",
                self._context.stream,
                self._recovery.waiting,
                limit,
                text,
            )
        if is_full:
            self.drain_to = None  # what was not taken is left
            self._context.halt.wait(self._time_to_wait(FULL_INTERVAL))
        return is_full

    def _time_to_wait(self, longest: float) -> float:
        now = time.monotonic()
        return max(0.0, min(longest, self.deadline - now, self._recovery.next_look() - now))

    def _room(self) -> int:
        room = min(self._context.pace.limit() - self._held(), self._context.pace.most, self._budget)
        return max(0, int(room))

    def _held(self) -> int:
        return sum(len(hand) for hand in self._context.hands)

    def _unavailable(self, error: redis.RedisError) -> RedisUnavailableError:
        url = safe_url(self._context.settings.url)
        return RedisUnavailableError(f"Redis at {url} cannot be reached: {explain(error)}")
