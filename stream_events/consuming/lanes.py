"""Lanes: entries of one object are handled one after the other, those of different objects side by side."""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stream_events.consuming import database
from stream_events.consuming.hand import Hand
from stream_events.events import Entry, Event
from stream_events.exceptions import EventDecodeError


class Work(NamedTuple):
    """One entry to handle; in the ``term`` of the lease it was known to be the consumer's."""

    hand: Hand
    entry: Entry
    term: int


class Lane:
    """Entries that are handled in order; who takes one out of ``work`` sees to it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.work: deque[Work] = deque()
        self.ready = threading.Event()

    def pop(self) -> Work | None:
        """The next one; None if there is none, or another thread was faster."""
        try:
            return self.work.popleft()
        except IndexError:
            return None

    def first(self) -> Work | None:
        """The next one, which stays; None as above."""
        try:
            return self.work[0]
        except IndexError:
            return None

    def drain(self) -> list[Work]:
        """Everything that is in the lane; it is not there any more."""
        found = []
        while work := self.pop():
            found.append(work)
        return found

    def put_back(self, work: Sequence[Work]) -> None:
        """Put ``work`` before everything else."""
        self.work.extendleft(reversed(work))


class Lanes:
    """Gives entries to ``handle``, which empties a lane.

    A single lane is emptied by whoever gives it something: in the thread that runs the consumer, and so in that
    thread's transaction and on its database connections. Several lanes have a thread each.
    """

    def __init__(self, count: int, handle: Callable[[Lane], None], on_death: Callable[[BaseException], None]) -> None:
        self._lanes = [Lane(number) for number in range(count)]
        self._handle = handle
        self._on_death = on_death
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, args=[lane], name=f"stream_events-lane-{lane.number}", daemon=True)
            for lane in self._lanes
            if count > 1
        ]
        for thread in self._threads:
            thread.start()

    def give(self, work: Sequence[Work]) -> None:
        """Have ``work`` handled; raises ``redis.RedisError`` if the objects of claimed entries cannot be looked up."""
        for lane, one in zip(self._choose(work), work, strict=True):
            lane.work.append(one)
        if work and not self._threads:
            self._handle(self._lanes[0])
            return
        for lane in self._lanes:
            if lane.work:
                lane.ready.set()

    def take_back(self) -> list[Work]:
        """What no lane has begun with; it is not theirs any more."""
        return [work for lane in self._lanes for work in lane.drain()]

    def close(self, is_hopeless: Callable[[], bool]) -> None:
        """Return when every lane has ended, or there is no hope for that."""
        self._closing = True
        for lane in self._lanes:
            lane.ready.set()
        for thread in self._threads:
            while thread.is_alive() and not is_hopeless():
                thread.join(0.05)

    def _choose(self, work: Sequence[Work]) -> list[Lane]:
        if len(self._lanes) == 1:
            return self._lanes * len(work)
        entries = [one.entry for one in work]
        if not all(entry.fields for entry in entries):
            entries = work[0].hand.group.peek(entries)
        return [self._lanes[_object_number(entry) % len(self._lanes)] for entry in entries]

    def _run(self, lane: Lane) -> None:
        try:
            while not self._closing or lane.work:
                lane.ready.wait()
                lane.ready.clear()
                self._handle(lane)
        except BaseException as error:  # noqa: BLE001 - the consumer ends with it
            self._on_death(error)
        finally:
            database.leave()


def _object_number(entry: Entry) -> int:
    """The same number for all events of one object."""
    try:
        event = Event.from_entry(entry, stream="", group="")
    except EventDecodeError:
        return 0
    return zlib.crc32(f"{event.obj_type} {event.obj_id}".encode(errors="surrogatepass"))
