"""What a consumer has in hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import redis

from stream_events.connections import explain
from stream_events.consuming.group import Group
from stream_events.events import Entry

logger = logging.getLogger("stream_events")

ACK_INTERVAL = 0.02  # seconds between acknowledgements while handlers take their time: a crash repeats no more


class Hand:
    """The entries of ``group`` that its consumer has taken and Redis has not confirmed to be settled.

    An entry leaves it when its acknowledgement, its waiting or its dead letter was answered; until then it is
    not taken again, and after an outage what is owed to Redis is sent first.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.settled = 0
        self.due_at = float("inf")  # when something is due that this consumer let wait, by its own clock
        self._ids: set[str] = set()
        self._finished: list[str] = []
        self._owed: list[tuple[str, Callable[[], None]]] = []
        self._since = 0.0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._ids

    def take(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of ``entries`` that were not in hand already."""
        fresh = [entry for entry in entries if entry.entry_id not in self._ids]
        self._ids.update(entry.entry_id for entry in fresh)
        return fresh

    def forget(self) -> None:
        """Let everything be taken again but what Redis has yet to be told of."""
        self._ids = {*self._finished, *(entry_id for entry_id, _ in self._owed)}

    def finish(self, entry_id: str) -> None:
        """The entry is handled; ``flush`` will acknowledge it."""
        if not self._finished:
            self._since = time.monotonic()
        self._finished.append(entry_id)

    def settle(self, entry_id: str, action: Callable[[], None]) -> None:
        """Do what is owed to Redis for the entry, now or as soon as Redis answers. ``action`` may run twice."""
        try:
            action()
        except redis.RedisError as error:
            logger.warning(
                "settling_failed stream=%s group=%s entry_id=%s error=%r: it is tried again",
                self.group.keys.stream,
                self.group.name,
                entry_id,
                explain(error),
            )
            self._owed.append((entry_id, action))
        else:
            self.settled += 1
            self.release([entry_id])

    def expect(self, delay: float) -> None:
        """Something is due in ``delay`` seconds."""
        self.due_at = min(self.due_at, time.monotonic() + delay)

    def release(self, entry_ids: Iterable[str]) -> None:
        """Somebody else sees to these entries now."""
        self._ids.difference_update(entry_ids)

    def is_late(self, now: float) -> bool:
        """Whether something is owed, or was finished and waits for its acknowledgement longer than it should."""
        return bool(self._owed) or (bool(self._finished) and now - self._since > ACK_INTERVAL)

    def flush(self) -> None:
        """Send what is owed and acknowledge what is finished; raises ``redis.RedisError``."""
        if not self._finished and not self._owed:
            return
        with self._lock:
            refused = self._pay()
            batch = self._finished[:]  # other threads may add to the list meanwhile
            if batch:
                self.group.ack(batch)
                del self._finished[: len(batch)]
                self._since = time.monotonic()
                self.settled += len(batch)
                self.release(batch)
        if refused:
            raise refused

    def _pay(self) -> redis.ResponseError | None:
        """Send what is owed; what Redis refuses is kept, and must not keep the rest from being sent."""
        refused = None
        for debt in self._owed[:]:
            entry_id, action = debt
            try:
                action()
            except redis.ResponseError as error:
                refused = error
            else:
                self._owed.remove(debt)
                self.release([entry_id])
        return refused
