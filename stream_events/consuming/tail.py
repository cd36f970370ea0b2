"""``Tail``: has every event of one stream handled, without a group and without acknowledgements."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import redis

from stream_events.conf import Settings, get_settings
from stream_events.connections import command_client, reading_client
from stream_events.consuming import database, inbox
from stream_events.consuming.clients import Clients
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.event_loop import EventLoop
from stream_events.consuming.feed import Feed
from stream_events.consuming.halt import Halt
from stream_events.consuming.options import check_numbers, check_times, unique_name
from stream_events.consuming.outage import Outage
from stream_events.consuming.place import NOTHING, Place, start_id
from stream_events.consuming.position import MemoryPosition, Position
from stream_events.consuming.tries import Outcome, Tries
from stream_events.consuming.waker import Waker
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError
from stream_events.health import PATIENCE
from stream_events.keys import check_stream
from stream_events.registration import Handler

logger = logging.getLogger("stream_events")

ATTEMPTS = 5
DATABASE_CHECK = 1.0  # seconds; how often connections are looked after within a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    """How one tail runs; None takes the setting of that name, or sets no limit. Times are seconds.

    Raises ``ConfigurationError`` for a value that cannot be.
    """

    start: str = NOTHING  # where it begins if its position remembers nothing: an id, earliest, or latest
    position: Position = field(default_factory=MemoryPosition)
    attempts: int = ATTEMPTS  # calls of a handler before an event is passed over
    delete: bool = False  # delete entries that were handled
    count: int | None = None  # entries per read, at most
    block: float | None = None  # how long one read waits for entries
    max_events: int | None = None  # end when so many entries were started
    max_seconds: float | None = None
    settings: Settings | None = None  # the project's, unless given

    def __post_init__(self) -> None:
        check_numbers(self, "attempts", "count", "max_events")
        check_times(self, "block", "max_seconds")
        if not hasattr(self.position, "load"):
            raise ConfigurationError(f"position is {self.position!r}; give FilePosition(path) or KeyPosition(name).")
        _ = self.first

    @property
    def first(self) -> str:
        """``start`` as an id, or ``LATEST``."""
        return start_id(self.start, "start")


@dataclass(frozen=True, slots=True, kw_only=True)
class TailReport:
    """What a tail did, in entries."""

    started: int = 0
    failed: int = 0  # calls of handlers that raised
    passed_over: int = 0  # failed too often, or no event
    unhandled: int = 0  # wanted by no handler

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


class Tail:
    """Calls ``handlers`` for every event of ``stream``, in order, and goes on where its position says.

    Options are the fields of ``TailOptions``. The position is saved after each batch, once a second in a batch that
    takes longer, and at the end; so what was handled since then is handled again after a crash, and nothing is lost.
    An event that fails is tried again while those behind it wait, and in the end passed over.
    """

    def __init__(self, stream: str, handlers: Sequence[Handler], **options: Any) -> None:
        check_stream(stream)
        self.options = TailOptions(**options)
        self.stream = stream
        self.handlers = tuple(handlers)
        inbox.check_transactions(self.handlers)
        self.name = unique_name()
        self.loop = EventLoop()
        self.joined = False
        settings = self.options.settings or get_settings()
        self._block = self.options.block or settings.block
        self._count = self.options.count or settings.count
        self._budget = self.options.max_events or float("inf")
        self._deadline = time.monotonic() + (self.options.max_seconds or float("inf"))
        clients = Clients(reading_client(settings, self.name, self._block), command_client(settings))
        self._feed = Feed(stream, self.name, clients, settings.key_prefix)
        self._place = Place(self._feed, self.options.position)
        self._halt = Halt()
        self._outage = Outage(settings.url, self._halt)
        self._waker = Waker(stream, self.name, self._halt, self._feed.wake, self._deadline)
        self._dispatcher = Dispatcher(self.handlers, self.loop)
        self._tries = Tries(stream, self._dispatcher, settings, self.options.attempts, self._halt)
        self._patience = settings.handler_timeout
        self._looked_after = 0.0
        self.seen = time.monotonic()  # when it last began with something

    @property
    def after(self) -> str:
        """The id of the last entry that was dealt with, or where reading began."""
        return self._place.after

    def join(self) -> bool:
        """Wait for Redis, and find where to begin; True when the position remembers nothing.

        Gives up when ``stop`` is called or ``max_seconds`` are over. Raises ``ConfigurationError`` for a key that is
        no stream, and a position that cannot be read or saved.
        """
        while not self._is_over():
            try:
                is_new = self._place.find(self.options.first)
            except redis.RedisError as error:
                self._wait_out(error)
                continue
            self.joined = True
            self._outage.over()
            return is_new
        return False

    def run(self) -> TailReport:
        """Handle events until ``stop`` is called or a limit is reached; once. Raises what ``join`` raises."""
        with contextlib.ExitStack() as ending:
            ending.callback(self._feed.close)
            ending.callback(self.loop.close)
            self._waker.start()
            ending.callback(self._waker.close)
            if not self.joined:
                self.join()
            if self.joined:
                ending.callback(self._place.save)
            while not self._is_over():
                self._turn()
        report = self._report()
        logger.info("consumer_ended stream=%s consumer=%s position=%s %s", self.stream, self.name, self.after, report)
        return report

    def is_alive(self) -> bool:
        """Whether it gets on, or waits for Redis, for a database, or for a handler within ``HANDLER_TIMEOUT``.

        False means that it hangs, and that a new process would do better. Any thread may ask.
        """
        now = time.monotonic()
        if running := self._dispatcher.running():
            return all(now - one.since < self._patience for one in running)
        return self._tries.is_waiting or now - self.seen < self._block + PATIENCE

    def stop(self) -> None:
        """Finish the entry that is being handled, unless it waits for another try, and return from ``run``.

        May be called from a signal handler or another thread.
        """
        self._waker.stop()

    def _is_over(self) -> bool:
        return self._halt.is_asked() or self._budget < 1 or time.monotonic() >= self._deadline

    def _turn(self) -> None:
        """Handle the entries of one read; an outage is waited out."""
        self.seen = time.monotonic()
        try:
            entries = self._feed.read(self.after, int(min(self._count, self._budget)), self._time_to_wait())
            if not entries and not self._is_over():
                self._place.check()
        except redis.RedisError as error:
            self._wait_out(error)
            return
        self._outage.over()
        for entry in entries:
            if self._is_over() or not self._handle(entry):
                break
        database.look_after()
        self._place.save()

    def _handle(self, entry: Entry) -> bool:
        """Handle one entry, or pass it over; False if the consumer is to stop before that is done."""
        self.seen = now = time.monotonic()
        if now - self._looked_after > DATABASE_CHECK:
            database.look_after()
            self._looked_after = now
        self._budget -= 1
        outcome = self._tries.make(entry)
        if outcome is Outcome.INTERRUPTED:
            return False
        if outcome is Outcome.HANDLED and self.options.delete:
            self._delete(entry)
        self._place.move(entry.entry_id)
        return True

    def _delete(self, entry: Entry) -> None:
        """Delete what was handled, however long Redis is away; what is not deleted when it stops stays."""
        while True:
            try:
                self._feed.delete(entry.entry_id)
                self._outage.over()
                return
            except redis.RedisError as error:
                if self._halt.is_asked():
                    logger.warning("entry_not_deleted stream=%s entry_id=%s", self.stream, entry.entry_id)
                    return
                self._wait_out(error)

    def _wait_out(self, error: redis.RedisError) -> None:
        self.seen = time.monotonic()
        self._outage.wait(error, self._deadline - time.monotonic())

    def _time_to_wait(self) -> float:
        return min(self._block, self._deadline - time.monotonic())

    def _report(self) -> TailReport:
        names = ("started", "failed", "passed_over", "unhandled")
        return TailReport(**{name: self._tries.tally[name] for name in names})
