"""How entries leave a consumer's hand, and what is left in Redis of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import redis

from stream_events.connections import explain
from stream_events.consuming import policy
from stream_events.consuming.attempt import Attempt, Letter, failure
from stream_events.consuming.context import Context
from stream_events.consuming.group import Settled, Verdict
from stream_events.consuming.hand import Hand
from stream_events.consuming.lanes import Work
from stream_events.events import Entry

logger = logging.getLogger("stream_events")

TRIMMED_LETTER = Letter(policy.TRIMMED, error="The stream was trimmed while the entry was pending.")


class Settlement:
    """Writes the outcomes of one consumer's entries."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tally = context.tally

    def settle(self, hand: Hand, attempt: Attempt) -> None:
        """Acknowledge the entry, let it wait, or make dead letters of it: as its handlers want."""
        entry, delay = attempt.entry, attempt.delay()
        if not attempt.wanted and not attempt.letters:
            self._tally.add("unhandled")
        if attempt.letters or delay is not None:
            state, errors = attempt.state(with_letters=False), attempt.failure(with_letters=True)
            refused = Verdict((), self._context.settings.backoff, entry.starts - 1, state, errors)
            verdict = Verdict((), delay, entry.starts, attempt.state(), attempt.failure())
            self._settle(hand, entry, attempt.letters, verdict, refused)
        elif entry.is_new:
            hand.finish(entry.entry_id)
        else:
            hand.settle(entry.entry_id, lambda: hand.group.finish([entry.entry_id]))

    def settle_undecodable(self, hand: Hand, entry: Entry, reason: str, text: str) -> None:
        """Make a dead letter of an entry that is no event."""
        logger.error("entry_not_decoded stream=%s entry_id=%s error=%r", self._context.stream, entry.entry_id, text)
        letters = [Letter(reason, error=text)]
        refused = Verdict((), self._context.settings.backoff, entry.starts - 1, error=failure(letters))
        self._settle(hand, entry, letters, Verdict(), refused)

    def give_up(self, hand: Hand, attempt: Attempt) -> None:
        """Hand back an entry some of whose handlers may have finished; this start does not count."""
        verdict = Verdict((), 0, attempt.entry.starts - 1, attempt.interrupted_state())
        self._settle(hand, attempt.entry, [], verdict, verdict)

    def hand_back(self, work: Sequence[Work]) -> None:
        """Let somebody else handle what was not started, at once and as if it had never been taken."""
        for hand in self._context.hands:
            entries = [one.entry for one in work if one.hand is hand]
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
            trimmed = hand.group.hand_back(entries)
        except redis.RedisError as error:
            # They are found as this consumer's orphans, or adopted when it is gone.
            logger.warning(
                "not_handed_back stream=%s count=%s error=%r", self._context.stream, len(entries), explain(error)
            )
            trimmed = []
        for entry in entries:
            if entry.entry_id in trimmed and entry.fields:
                self._settle(hand, entry, [TRIMMED_LETTER], Verdict(), Verdict())
            elif entry.entry_id in trimmed:
                hand.settle(entry.entry_id, lambda entry=entry: hand.group.finish([entry.entry_id]))  # type: ignore[misc]
        self.report_trimmed(hand, trimmed)
        hand.release({entry.entry_id for entry in entries} - set(trimmed))

    def _settle(self, hand: Hand, entry: Entry, letters: Sequence[Letter], verdict: Verdict, refused: Verdict) -> None:
        """Write ``letters`` and ``verdict``; if Redis refuses the letters, ``refused`` instead."""
        written = verdict._replace(letters=[one.fields(entry, hand.group.consumer) for one in letters])

        def write() -> None:
            try:
                outcome = self._write(hand, entry, written)
            except redis.ResponseError as error:
                if not letters:
                    raise
                # Most likely for memory. The entry waits instead, and the consumer lives.
                logger.error("dead_letter_refused %s error=%r: it waits", self._where(hand, entry), explain(error))
                self._write(hand, entry, refused)
                return
            if outcome is Settled.DONE:
                self._report_letters(hand, entry, letters)
            if outcome is Settled.DONE and verdict.delay:
                hand.expect(verdict.delay)
                logger.info("entry_waits %s delay=%.1f", self._where(hand, entry), verdict.delay)

        hand.settle(entry.entry_id, write)

    def _write(self, hand: Hand, entry: Entry, verdict: Verdict) -> Settled:
        outcome = hand.group.settle(entry, verdict)
        if outcome is not Settled.TRIMMED:
            return outcome
        self.report_trimmed(hand, [entry.entry_id])
        if verdict.delay is not None:  # somebody still wants it, and will not get it
            last = TRIMMED_LETTER.fields(entry, hand.group.consumer)
            verdict = verdict._replace(letters=[*verdict.letters, last])
        return hand.group.settle(entry, verdict, is_trimmed=True)

    def _report_letters(self, hand: Hand, entry: Entry, letters: Sequence[Letter]) -> None:
        self._tally.add("dead", len(letters))
        for letter in letters:
            logger.error(
                "dead_letter %s handler=%s reason=%s delivery_count=%s",
                self._where(hand, entry),
                letter.handler.name if letter.handler else "",
                letter.reason,
                letter.deliveries or entry.starts,
            )

    def _where(self, hand: Hand, entry: Entry) -> str:
        return f"stream={self._context.stream} group={hand.group.name} entry_id={entry.entry_id}"
