"""Handles what is in a lane."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

import redis

from stream_events.connections import explain
from stream_events.consuming import database, policy
from stream_events.consuming.attempt import Attempt
from stream_events.consuming.calls import INTERRUPTED, Calls
from stream_events.consuming.context import Context
from stream_events.consuming.database import DatabaseOutage
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.hand import Hand
from stream_events.consuming.lanes import Lane, Work
from stream_events.consuming.policy import Progress
from stream_events.consuming.replies import is_group_gone
from stream_events.consuming.settlement import Settlement
from stream_events.events import PAYLOAD, Entry, Event
from stream_events.exceptions import EventDecodeError

logger = logging.getLogger("stream_events")

MOST_FIELDS = 1000  # of an entry that is handled
TRY_AGAIN = 0.5  # seconds, when Redis does not answer
DATABASE_CHECK = 1.0  # seconds; how often connections are looked after in a lane that never gets empty


class Handling:
    """Empties lanes: starts each entry, calls its handlers, and has it settled."""

    def __init__(self, context: Context, dispatcher: Dispatcher, settlement: Settlement) -> None:
        self._outage = DatabaseOutage(context.halt, context.settings.lease)
        self._suspects = threading.Lock()
        self._context = context
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._calls = Calls(context, dispatcher, settlement)

    @property
    def is_paused(self) -> bool:
        """Whether the database is away: nothing more should be taken."""
        return self._outage.is_on

    def handle(self, lane: Lane) -> None:
        """Handle the work of ``lane`` until there is none; when the consumer is to stop, hand it back."""
        halt, looked_after = self._context.halt, float("-inf")
        began, handled = time.monotonic(), 0
        try:
            while lane.work and not halt.is_asked():
                now = time.monotonic()
                if now - looked_after > DATABASE_CHECK:
                    database.look_after()
                    looked_after = now
                if self._is_ours(lane, now):
                    handled += self._handle_next(lane)
        except BaseException:
            halt.ask()  # the consumer ends with it
            raise
        finally:
            if handled:
                self._context.pace.note_work(handled, time.monotonic() - began)
                self._context.tally.add("started", handled)
            if halt.is_asked():
                self._settlement.hand_back(lane.drain())
            database.look_after()

    def _is_ours(self, lane: Lane, now: float) -> bool:
        """Whether the first entry of the lane can be started; after a gap of the lease, Redis is asked."""
        lease = self._context.lease
        if not lease.is_sure(now):
            lease.wait(0.1)
            return False
        term, first = lease.term, lane.first()
        if first is None or first.term == term:
            return first is not None
        work = lane.drain()
        try:
            owned = {
                hand: hand.group.owned([one.entry.entry_id for one in work if one.hand is hand])
                for hand in self._context.hands
            }
        except redis.RedisError as error:
            if not is_group_gone(error):
                self._complain("owner_not_known", error)
                lane.put_back(work)
                return False
            owned = {}  # nobody has them any more; a group that is made again will give them again
        lane.put_back([one._replace(term=term) for one in work if one.entry.entry_id in owned.get(one.hand, ())])
        for one in work:
            if one.entry.entry_id not in owned.get(one.hand, ()):
                one.hand.release([one.entry.entry_id])
                logger.warning(
                    "entry_lost stream=%s entry_id=%s: it was taken away", self._context.stream, one.entry.entry_id
                )
        return False

    def _handle_next(self, lane: Lane) -> int:
        """Handle the first entry of the lane, or as many as make up a batch; returns how many."""
        piece = self._piece(lane)
        if piece and piece[0].entry.is_suspect:
            with self._suspects:  # of two that might end the process, the other would be counted as well
                if self._context.halt.is_asked():
                    lane.put_back(piece)
                    return 0
                self._handle_piece(lane, piece)
        elif piece:
            self._handle_piece(lane, piece)
        return len(piece)

    def _handle_piece(self, lane: Lane, piece: Sequence[Work]) -> None:
        hand, term = piece[0].hand, piece[0].term
        attempts = [attempt for one in piece if (attempt := self._begin(hand, one.entry))]
        give_up = partial(self._give_up, lane, attempts, hand)
        while (error := self._calls.make(hand, attempts)) is not None:
            # Others may reach the database: after the time of a lease they get what is held here.
            is_over = error is INTERRUPTED or not self._outage.sit_out(error, give_up)
            if is_over or self._context.lease.term != term:
                give_up()
                return
        if hand.is_late(time.monotonic()):
            self._flush(hand)

    def _piece(self, lane: Lane) -> list[Work]:
        """The next entry; with batch handlers also those that follow and were not started before.

        What was is handled alone, so that it can do no harm to others if it ends the process.
        """
        if self._dispatcher.batch == 1:
            work = lane.pop()
            return [work] if work else []
        piece: list[Work] = []
        while len(piece) < self._dispatcher.batch and (work := lane.pop()):
            first = piece[0] if piece else work
            if (work.hand, work.term) != (first.hand, first.term) or (piece and not work.entry.is_new):
                lane.put_back([work])
                break
            piece.append(work)
            if not work.entry.is_new:
                break
        return piece

    def _begin(self, hand: Hand, entry: Entry) -> Attempt | None:
        """Start an entry; None if nothing of it is to be handled."""
        raw_progress = b""
        if not entry.is_new:
            try:
                started = hand.group.start(entry)
            except redis.RedisError as error:
                # Whether it counts as started is not known. It will be found as an orphan.
                self._complain("not_started", error)
                started = None
            if started is None or not started[0].fields:
                hand.release([entry.entry_id])
                if started:
                    self._settlement.report_trimmed(hand, [entry.entry_id])
                return None
            entry, raw_progress = started
        if size := self._excess(entry):
            self._settlement.settle_undecodable(hand, entry, policy.OVERSIZED, size)
            return None
        try:
            event = Event.from_entry(entry, stream=self._context.stream, group=self._context.group)
        except EventDecodeError as error:
            self._settlement.settle_undecodable(hand, entry, policy.UNDECODABLE, str(error))
            return None
        attempt = Attempt(entry, event, Progress.load(raw_progress))
        attempt.begin(self._dispatcher, self._calls.policy, self._context.settings.unhandled)
        return attempt

    def _excess(self, entry: Entry) -> str:
        """What is too large about the entry, or an empty string."""
        if len(entry.fields) > MOST_FIELDS:
            return f"the entry has {len(entry.fields)} fields, more than {MOST_FIELDS}"
        size, limit = len(entry.fields.get(PAYLOAD, b"")), self._context.settings.max_payload
        return f"the payload has {size} bytes, more than MAX_PAYLOAD ({limit})" if size > limit else ""

    def _give_up(self, lane: Lane, attempts: Sequence[Attempt], hand: Hand) -> None:
        """Leave to others what the lane holds, and what it has begun with."""
        for attempt in attempts:
            if attempt.entry.entry_id in hand:
                self._settlement.give_up(hand, attempt)
        self._settlement.hand_back(lane.drain())

    def _flush(self, hand: Hand) -> None:
        try:
            hand.flush()
        except redis.RedisError as error:
            self._complain("not_acknowledged", error)

    def _complain(self, what: str, error: redis.RedisError) -> None:
        logger.warning("%s stream=%s error=%r: it is tried again", what, self._context.stream, explain(error))
        self._context.halt.wait(TRY_AGAIN)
