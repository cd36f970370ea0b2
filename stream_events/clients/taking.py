"""What one consumer takes from its group, turn by turn."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

import redis

from stream_events.clients.entries import NEW
from stream_events.clients.waiting import WaitingReads
from stream_events.connections import explain
from stream_events.consuming.group import START
from stream_events.consuming.hand import Hand
from stream_events.consuming.mark import Mark
from stream_events.consuming.place import NOTHING
from stream_events.consuming.replies import follows, is_group_gone
from stream_events.events import Entry

logger = logging.getLogger("stream_events")

MARK_ENTRIES = 100  # the group's mark is saved after so many settled entries
FOREVER = float("inf")


class Taking:
    """Takes the consumer's own pending entries beyond ``after``, then in turns what is due and what is new.

    What it gives is in ``hand``. A read waits up to ``block`` seconds, and not longer than until something is due. A
    group that is missing is created at ``create_from``.
    """

    def __init__(self, hand: Hand, reads: WaitingReads, *, block: float, create_from: str, after: str) -> None:
        self._group = hand.group
        self._hand = hand
        self._reads = reads
        self._block = block
        # None is the same, and does not make a group again that an operator has deleted.
        self._create_from = None if create_from == NOTHING else create_from
        self._after = after
        self._mark = Mark(hand.group)
        self._has_joined = False
        self._is_suspicious = True  # pending entries may be this consumer's without its knowing
        self._page = ""
        self._own: deque[Entry] = deque()
        self._due_at = 0.0
        self._was_due = False

    def join(self) -> None:
        """Create the group where it is missing."""
        created = self._mark.recreate(self._create_from)
        if created:
            self._log(logging.INFO, "group_created", f"start={created}")
        self._create_from = None
        self._leave_alone()
        self._has_joined = True

    def take(self, count: int) -> list[Entry]:
        """Up to ``count`` entries; those that are not new come without their fields. Raises ``redis.RedisError``."""
        if not self._has_joined:
            self.join()
        # What is settled goes first: after an outage it must not be taken again.
        self._hand.flush()
        self._mark.follow(self._hand.settled, MARK_ENTRIES)
        if own := self._take_own(count):
            return own
        # In turns, so that entries which come again and again keep no new one waiting.
        due = [] if self._was_due else self._take_due(count)
        self._was_due = bool(due)
        return due or self._hand.take(self._reads.read(count, min(self._block, self._due_at - time.monotonic())))

    def read(self, count: int, seconds: float, after: str) -> list[Entry]:
        """As ``WaitingReads.read``, and nothing of it is in hand."""
        if not self._has_joined:
            self.join()
        return self._reads.read(count, seconds, after)

    def expect(self, seconds: float) -> None:
        """Something will be due in ``seconds``: a read that would wait for longer is ended."""
        if seconds < self._block:
            self._due_at = min(self._due_at, time.monotonic() + seconds)
            self._reads.wake()

    def begin_again(self) -> None:
        """Take everything that is not settled."""
        self._hand.forget()
        self._own.clear()
        self._is_suspicious = True

    def recover(self, error: redis.RedisError) -> bool:
        """Prepare for going on after ``error``; True when joining is all that is missing."""
        self._is_suspicious = True
        self._due_at = 0.0
        if not is_group_gone(error) and "WRONGTYPE" not in str(error):
            return False
        self._log(logging.ERROR, "group_gone", f"error={explain(error)!r}")
        self._has_joined = False  # joining makes the group, or says what an operator has to do
        return True

    def finish(self) -> None:
        """Send what Redis has yet to be told."""
        if self._has_joined:
            self._hand.flush()
            self._mark.save()

    def report_trimmed(self, entry_ids: Sequence[str]) -> None:
        """Log entries that are gone: the stream was trimmed while they were pending."""
        if entry_ids:
            self._log(
                logging.ERROR, "entries_trimmed", f"count={len(entry_ids)} first={entry_ids[0]}: they were pending"
            )

    def _take_own(self, count: int) -> list[Entry]:
        if self._is_suspicious:
            self._is_suspicious = False  # first, because another thread may set it meanwhile
            self._page = START
        while not self._own and self._page:
            self._page, entries = self._group.own_pending(self._page)
            self._own.extend(self._hand.take(entries))
        return [self._own.popleft() for _ in range(min(count, len(self._own)))]

    def _take_due(self, count: int) -> list[Entry]:
        now = time.monotonic()
        if now < self._due_at:
            return []
        self._due_at = now + self._block  # first, because another thread may expect something sooner meanwhile
        found = self._group.due(count)
        self.report_trimmed(found.trimmed)
        if found.trimmed:
            self._group.finish(found.trimmed)
        if found.entries:
            # Whatever this consumer held of them was taken from it meanwhile.
            self._hand.release(entry.entry_id for entry in found.entries)
            self._due_at = now
            return self._hand.take(found.entries)
        if found.wait is not None:
            self._due_at = min(self._due_at, now + max(0.001, found.wait))
        return []

    def _leave_alone(self) -> None:
        """Take in hand what is not to be taken; so orphans can be told from it later."""
        place = START if self._after != NOTHING else ""
        while place:
            place, entries = self._group.own_pending(place)
            self._hand.take([one for one in entries if self._after == NEW or not follows(one.entry_id, self._after)])
        self._after = NOTHING

    def _log(self, level: int, name: str, text: str) -> None:
        logger.log(level, "%s stream=%s group=%s %s", name, self._group.keys.stream, self._group.name, text)
