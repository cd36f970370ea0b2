"""How entries leave a consumer's hand, and what is left in Redis of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import redis

from stream_events.connections import explain
from stream_events.consuming import policy
from stream_events.consuming.attempt import Attempt, Letter
from stream_events.consuming.context import Context
from stream_events.consuming.hand import Hand
from stream_events.consuming.lanes import Work
from stream_events.events import REQUEUED_ENTRY_ID, Entry

logger = logging.getLogger("stream_events")


class Settlement:
    """Writes the outcomes of one consumer's entries."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tally = context.tally

    def settle(self, hand: Hand, attempt: Attempt) -> None:
        """Acknowledge the entry, let it wait, or make dead letters of it: as its handlers want."""
        entry, delay = attempt.entry, attempt.delay()
        if attempt.letters or delay is not None:
            hand.settle(entry.entry_id, lambda: self._write(hand, attempt, delay))
            return
        if attempt.saved:
            hand.settle(entry.entry_id, lambda: hand.group.finish([entry.entry_id]))
        else:
            hand.finish(entry.entry_id)
        if not attempt.wanted:
            self._tally.add("unhandled")

    def settle_undecodable(self, hand: Hand, entry: Entry, reason: str, text: str) -> None:
        logger.error("entry_not_decoded stream=%s entry_id=%s error=%r", self._context.stream, entry.entry_id, text)
        hand.settle(entry.entry_id, lambda: self._bury(hand, entry, Letter(reason, error=text)))

    def give_up(self, hand: Hand, attempt: Attempt) -> None:
        """Hand back an entry some of whose handlers may have finished; it does not count as started."""
        entry, state = attempt.entry, attempt.state() if attempt.progress.finished else b""
        hand.settle(entry.entry_id, lambda: self._wait(hand, entry, 0, state, entry.delivery_count - 1))

    def hand_back(self, work: Sequence[Work]) -> None:
        """Let somebody else handle what was not started, at once and as if it had never been taken."""
        for hand in self._context.hands:
            entries = [entry for one, entry in work if one is hand]
            if entries:
                self._hand_back(hand, entries)

    def report_trimmed(self, hand: Hand, entry_ids: Sequence[str]) -> None:
        """Count and log entries that are gone: the stream was trimmed while they were pending."""
        if not entry_ids:
            return
        self._tally.add("trimmed", len(entry_ids))
        logger.error(
            "entries_trimmed stream=%s group=%s count=%s first=%s: the stream was trimmed while they were pending",
            hand.group.keys.stream,
            hand.group.name,
            len(entry_ids),
            entry_ids[0],
        )

    def _hand_back(self, hand: Hand, entries: Sequence[Entry]) -> None:
        try:
            # A new one counts as delivered since it was read.
            trimmed = hand.group.wait(((entry, entry.delivery_count - entry.is_new) for entry in entries), 0)
            for entry in entries:
                if entry.entry_id in trimmed:
                    self._settle_trimmed(hand, entry)
        except redis.RedisError as error:
            logger.warning(
                "not_handed_back stream=%s count=%s error=%r", self._context.stream, len(entries), explain(error)
            )
        # What could not be handed back is found as this consumer's orphans, or adopted when it is gone.
        hand.release(entry.entry_id for entry in entries)

    def _write(self, hand: Hand, attempt: Attempt, delay: float | None) -> None:
        for at, letter in enumerate(attempt.letters):
            if letter.handler:
                attempt.progress.finish(letter.handler)
            is_last = at == len(attempt.letters) - 1 and delay is None
            self._bury(hand, attempt.entry, letter, b"" if is_last else attempt.progress.dump())
        if delay is not None:
            self._wait(hand, attempt.entry, delay, attempt.state(), attempt.entry.delivery_count)

    def _wait(self, hand: Hand, entry: Entry, delay: float, state: bytes, count: int) -> None:
        if hand.group.wait([(entry, count)], delay, state):
            self._settle_trimmed(hand, entry)

    def _settle_trimmed(self, hand: Hand, entry: Entry) -> None:
        if entry.fields:
            self._bury(
                hand, entry, Letter(policy.TRIMMED, error="The stream was trimmed while the entry was pending.")
            )
        else:
            hand.group.finish([entry.entry_id])
        self.report_trimmed(hand, [entry.entry_id])

    def _bury(self, hand: Hand, entry: Entry, letter: Letter, state: bytes = b"") -> None:
        original = entry.fields.get(REQUEUED_ENTRY_ID.encode(), entry.entry_id.encode()).decode(errors="replace")
        where = f"stream={self._context.stream} group={hand.group.name} entry_id={entry.entry_id}"
        try:
            if not hand.group.bury(entry, letter.fields(entry, hand.group.consumer, original), state):
                return  # it is somebody else's by now
        except redis.ResponseError as error:
            # Most likely for memory. The entry waits instead, and the consumer lives.
            logger.error("dead_letter_refused %s error=%r: it waits", where, explain(error))
            hand.group.wait([(entry, entry.delivery_count)], self._context.settings.backoff, state)
            return
        self._tally.add("dead")
        name = letter.handler.name if letter.handler else ""
        logger.error(
            "dead_letter %s handler=%s reason=%s delivery_count=%s", where, name, letter.reason, entry.delivery_count
        )
