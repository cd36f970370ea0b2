"""Handles what is in a lane."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import redis
from django.db import close_old_connections, reset_queries

from stream_events.connections import explain
from stream_events.consuming import database, policy
from stream_events.consuming.attempt import Attempt
from stream_events.consuming.context import Context
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.hand import Hand
from stream_events.consuming.lanes import Lane, Work
from stream_events.consuming.policy import Policy, Progress
from stream_events.consuming.settlement import Settlement
from stream_events.events import PAYLOAD, Entry, Event
from stream_events.exceptions import EventDecodeError
from stream_events.registration import Handler

logger = logging.getLogger("stream_events")

MOST_FIELDS = 1000  # of an entry that is handled
TRY_AGAIN = 0.5  # seconds, when Redis does not answer
DATABASE_CHECK = 1.0  # seconds; how often connections are looked after in a lane that never gets empty


class Handling:
    """Empties lanes: starts each entry, calls its handlers, and has it settled."""

    def __init__(self, context: Context, dispatcher: Dispatcher, settlement: Settlement) -> None:
        self.paused = 0  # lanes that wait for the database
        self._context = context
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._policy = Policy(context.settings)

    def handle(self, lane: Lane) -> None:
        """Handle the work of ``lane`` until there is none; when the consumer is to stop, hand it back."""
        halt, looked_after = self._context.halt, float("-inf")
        began, handled = time.monotonic(), 0
        try:
            while lane.work and not halt.is_asked():
                now = time.monotonic()
                if now - looked_after > DATABASE_CHECK:
                    close_old_connections()
                    reset_queries()
                    looked_after = now
                if self._is_ours(lane, now):
                    handled += self._handle_next(lane)
        finally:
            if handled:
                self._context.pace.note_work(handled, time.monotonic() - began)
            self._settlement.hand_back(lane.drain())
            close_old_connections()

    def _is_ours(self, lane: Lane, now: float) -> bool:
        """Whether the first entry of the lane can be started; after a gap of the lease, Redis is asked."""
        lease = self._context.lease
        if not lease.is_sure(now):
            lease.wait(0.1)
            return False
        if lane.term == lease.term:
            return True
        term, work = lease.term, lane.drain()
        try:
            owned = {
                id(hand): hand.group.owned([one.entry_id for other, one in work if other is hand]) for hand, _ in work
            }
        except redis.RedisError as error:
            self._complain("owner_not_known", error)
            lane.put_back(work)
            return False
        lane.put_back([(hand, entry) for hand, entry in work if entry.entry_id in owned[id(hand)]])
        for hand, entry in work:
            if entry.entry_id not in owned[id(hand)]:
                hand.release([entry.entry_id])
                logger.warning(
                    "entry_lost stream=%s entry_id=%s: others took it", self._context.stream, entry.entry_id
                )
        lane.term = term
        return False

    def _handle_next(self, lane: Lane) -> int:
        """Handle the first entry of the lane, or as many as make up a batch; returns how many."""
        piece = self._piece(lane)
        if not piece:
            return 0
        hand, is_new = piece[0][0], piece[0][1].is_new
        attempts = [attempt for _, entry in piece if (attempt := self._begin(hand, entry))]
        while (error := self._call_all(attempts)) is not None:
            if not self._sit_out(lane, hand, attempts, error):
                return len(piece)
        for attempt in attempts:
            self._settlement.settle(hand, attempt)
        if not is_new or hand.is_late(time.monotonic()):
            self._flush(hand)
        return len(piece)

    def _piece(self, lane: Lane) -> list[Work]:
        """The next entry; with batch handlers also those that follow and were not started before.

        What was is handled alone, so that it can do no harm to others if it ends the process.
        """
        piece: list[Work] = []
        while len(piece) < self._dispatcher.batch and (work := lane.pop()):
            hand, entry = work
            if piece and (hand is not piece[0][0] or not entry.is_new):
                lane.put_back([work])
                break
            piece.append(work)
            if not entry.is_new:
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
        self._context.tally.add("started")
        if size := self._excess(entry):
            self._settlement.settle_undecodable(hand, entry, policy.OVERSIZED, size)
            return None
        try:
            event = Event.from_entry(entry, stream=self._context.stream, group=self._context.group)
        except EventDecodeError as error:
            self._settlement.settle_undecodable(hand, entry, policy.UNDECODABLE, str(error))
            return None
        attempt = Attempt(entry, event, Progress.load(raw_progress), saved=bool(raw_progress))
        attempt.begin(self._dispatcher, self._policy, self._context.settings.unhandled)
        return attempt

    def _excess(self, entry: Entry) -> str:
        """What is too large about the entry, or an empty string."""
        if len(entry.fields) > MOST_FIELDS:
            return f"the entry has {len(entry.fields)} fields, more than {MOST_FIELDS}"
        size, limit = len(entry.fields.get(PAYLOAD, b"")), self._context.settings.max_payload
        return f"the payload has {size} bytes, more than MAX_PAYLOAD ({limit})" if size > limit else ""

    def _call_all(self, attempts: Sequence[Attempt]) -> BaseException | None:
        """Call the handlers that are ready; returns the error if the database is away, which is nobody's failure."""
        batches: dict[Handler, list[Attempt]] = {}
        for attempt in attempts:
            for handler in attempt.ready[:]:
                if handler.batch and len(attempts) > 1:
                    batches.setdefault(handler, []).append(attempt)
                elif outage := self._call(handler, attempt):
                    return outage
        for handler, wanting in batches.items():
            size = handler.batch or 1
            for at in range(0, len(wanting), size):
                if outage := self._call_batch(handler, wanting[at : at + size]):
                    return outage
        return None

    def _call_batch(self, handler: Handler, attempts: Sequence[Attempt]) -> BaseException | None:
        """Call ``handler`` for all of them at once, and for each of them alone if that fails."""
        if len(attempts) > 1:
            error = self._dispatcher.call(handler, [attempt.event_for(handler) for attempt in attempts])
            if error is None:
                for attempt in attempts:
                    attempt.note(handler, None, self._policy)
                return None
            close_old_connections()
            if database.is_outage(error):
                return error
        for attempt in attempts:
            if outage := self._call(handler, attempt):
                return outage
        return None

    def _call(self, handler: Handler, attempt: Attempt) -> BaseException | None:
        error = self._dispatcher.call(handler, [attempt.event_for(handler)])
        if error is not None:
            close_old_connections()  # the reason may be a connection that the next entry would get
            if database.is_outage(error):
                return error
            self._context.tally.add("failed")
        attempt.note(handler, error, self._policy)
        return None

    def _sit_out(self, lane: Lane, hand: Hand, attempts: Sequence[Attempt], error: BaseException) -> bool:
        """Wait until the database is back; False when what the lane held was handed back meanwhile.

        That is after the time of a lease, or when the consumer is to stop: others may reach the database.
        """
        logger.error("database_outage stream=%s error=%r: reading pauses", self._context.stream, explain(error))
        halt, patience = self._context.halt, time.monotonic() + self._context.settings.lease
        is_held, self.paused = True, self.paused + 1
        try:
            for pause in database.probe_intervals():
                halt.wait(pause)
                is_back = database.is_there()
                if is_held and (halt.is_asked() or (not is_back and time.monotonic() > patience)):
                    is_held = False
                    for attempt in attempts:
                        self._settlement.give_up(hand, attempt)
                    self._settlement.hand_back(lane.drain())
                if is_back or halt.is_asked():
                    break
        finally:
            self.paused -= 1
        return is_held

    def _flush(self, hand: Hand) -> None:
        try:
            hand.flush()
        except redis.RedisError as error:
            self._complain("not_acknowledged", error)

    def _complain(self, what: str, error: redis.RedisError) -> None:
        logger.warning("%s stream=%s error=%r: it is tried again", what, self._context.stream, explain(error))
        self._context.halt.wait(TRY_AGAIN)
