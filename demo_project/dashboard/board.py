"""What the dashboard shows, as far as this process has read the stream."""

import os
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

import redis

from stream_events import Event, StreamEventsError
from stream_events.clients import EventsConsumer
from stream_events.locks import ForkSafeLock
from stream_events.operations.inspection import stream_states

LATEST = 50
LONGEST_TEXT = 100  # characters of anything that an event brings
PATIENCE = 1.0  # seconds that the first page waits for what is in the stream already

_boards: dict[int, "Board"] = {}  # by process id: a forked process has the data of its parent, and not the thread
_starting = ForkSafeLock()


@dataclass(frozen=True, slots=True)
class Line:
    """One event, for people to read."""

    entry_id: str
    occurred_at: datetime
    order: str
    action: str
    status: str

    @classmethod
    def of(cls, event: Event) -> "Line":
        data = event.payload.get("data")
        known = data if isinstance(data, dict) else {}
        return cls(
            entry_id=event.entry_id,
            occurred_at=event.occurred_at,
            order=_text(known.get("number") or f"{event.obj_type} {event.obj_id}"),
            action=_text(event.action or "–"),
            status=_text(known.get("status") or ""),
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole board; ``total`` is how many events it has seen, ``lines`` are the latest, newest first."""

    total: int
    counts: dict[str, int]
    lines: list[Line]


class Board:
    """How often each action has happened, and the latest events of ``stream``.

    Readers ask for what came after the ``total`` that they know, so a slow one costs nothing: when it has missed too
    much, it takes a snapshot.
    """

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self._consumer = EventsConsumer(stream, self.add, attempts=1)
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._lines: deque[Line] = deque(maxlen=LATEST)
        self._total = 0

    def follow(self) -> None:
        """Read the stream from now on, for as long as the process lives; returns when old events are on the board.

        That is waited for a second at most, and not at all while Redis is away.
        """
        self._thread = self._consumer.start_in_thread()
        try:
            length = stream_states([self.stream])[0].length
        except (redis.RedisError, StreamEventsError):
            return
        deadline = time.monotonic() + PATIENCE
        while self._total < length and time.monotonic() < deadline:
            time.sleep(0.01)

    def is_fed(self) -> bool:
        """Whether it still reads; the log says why it does not."""
        return self._thread is not None and self._thread.is_alive()

    def add(self, event: Event) -> None:
        """Show one more event."""
        line = Line.of(event)
        with self._changed:
            self._counts[line.action] += 1
            self._lines.appendleft(line)
            self._total += 1
            self._changed.notify_all()

    def snapshot(self) -> Snapshot:
        with self._changed:
            return Snapshot(self._total, dict(sorted(self._counts.items())), list(self._lines))

    def news(self, total: int, timeout: float) -> list[Line] | None:
        """The lines that came after the first ``total``, oldest first; None when some of them are gone.

        Waits up to ``timeout`` seconds for the first.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._total > total, timeout)
            missed = self._total - total
            return None if missed > len(self._lines) else list(self._lines)[:missed][::-1]


def shared_board() -> Board:
    """The board of this process, which follows the stream ``orders`` from the first call on."""
    process = os.getpid()
    with _starting:
        board = _boards.get(process)
        if board is None or not board.is_fed():
            board = _boards[process] = Board("orders")
            board.follow()
        return board


def _text(value: object) -> str:
    text = str(value).encode("utf-8", "replace").decode()  # JSON can carry halves of characters
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
