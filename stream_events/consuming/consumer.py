"""``Consumer``: has the events of one stream handled for one group, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import redis

from stream_events.conf import get_settings
from stream_events.connections import command_client, explain, reading_client
from stream_events.consuming import database, inbox
from stream_events.consuming.clients import Clients
from stream_events.consuming.context import Context
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.event_loop import EventLoop
from stream_events.consuming.group import Group
from stream_events.consuming.hand import Hand
from stream_events.consuming.handling import Handling
from stream_events.consuming.lanes import Lanes
from stream_events.consuming.lease import Lease
from stream_events.consuming.mark import Mark
from stream_events.consuming.options import ConsumerOptions, Report, unique_name
from stream_events.consuming.pace import Pace
from stream_events.consuming.reader import Reader
from stream_events.consuming.recovery import Recovery
from stream_events.consuming.roster import Roster
from stream_events.consuming.settlement import Settlement
from stream_events.consuming.watch import Watch
from stream_events.health import PATIENCE
from stream_events.keys import check_group, group_keys, requeue_keys
from stream_events.registry import handlers
from stream_events.signals import housekeeping
from stream_events.ticker import Ticker

logger = logging.getLogger("stream_events")

CLOSING = 5.0  # seconds; what the janitor and the housekeeper are given, which may be in the middle of a statement
HOUSEKEEPING = 1.0  # seconds


class Consumer:
    """Handles the events of ``stream`` for ``group`` with the handlers registered for them.

    Options are the fields of ``ConsumerOptions``. Raises ``ConfigurationError`` when nothing is registered for
    the group or any registration in the project is broken: an event must not be acknowledged because its
    handler failed to load.
    """

    def __init__(self, stream: str, group: str, **options: Any) -> None:
        check_group(group)
        self.options = ConsumerOptions(**options)
        self.stream = stream
        self.group = group
        self.handlers = self.options.handlers or handlers.usable(stream, group)
        inbox.check_transactions(self.handlers)
        self.name = unique_name(self.options.consumer)
        self.joined = False
        self.loop = EventLoop()
        self._dispatcher = Dispatcher(self.handlers, self.loop)
        self._context = self._make_context()
        self._halt = self._context.halt
        self._group = self._context.hand.group
        self._settlement = Settlement(self._context)
        self._handling = Handling(self._context, self._dispatcher, self._settlement)
        self._reader = Reader(self._context, self._handling, Recovery(self._context, self._settlement))
        self._lanes: Lanes | None = None
        self._tickers: tuple[Ticker, ...] = ()

    def join(self) -> bool:
        """Wait for Redis, and create the group if it is missing; True when it was created.

        Gives up when ``stop`` is called or ``max_seconds`` are over. Raises ``ConfigurationError`` for a key that is
        no stream, a group that an operator has deleted, or an inbox without a table. With ``drain`` it does not
        wait, and raises ``RedisUnavailableError``.
        """
        self._reader.seen = time.monotonic()
        if self._reader.deadline == float("inf"):
            self._reader.deadline = time.monotonic() + (self.options.max_seconds or float("inf"))
        inbox.check_tables(self.handlers)
        while not self._reader.is_over():
            try:
                return self._join()
            except redis.RedisError as error:
                self._reader.wait_out(error)
        return False

    def run(self) -> Report:
        """Join, unless that was done, and handle events until ``stop`` is called or a limit is reached.

        Raises what ``join`` raises, ``HandlerTimeoutError`` when a handler cannot be waited for any longer, and
        whatever ended one of its threads. With one lane the handlers run in the calling thread: then the option
        ``abandon`` is called at that moment, and the error comes when the handler ends.
        """
        try:
            if not self.joined:
                self.join()
            if self.joined:
                self._consume()
            if self._halt.error:
                raise self._halt.error
            report = self._report()
            logger.info("consumer_ended stream=%s group=%s consumer=%s %s", self.stream, self.group, self.name, report)
            return report
        finally:
            self.loop.close()
            self._group.close()

    def left(self) -> int:
        """How many entries are left of those that were to be drained; raises ``RedisUnavailableError``."""
        return self._reader.left()

    def is_alive(self) -> bool:
        """Whether it gets on, or waits for Redis, for a database, or for a handler within its time limit.

        False means that a thread hangs, and that a new process would do better. May be asked by any thread, from
        ``join`` on.
        """
        if any(ticker.overdue() > PATIENCE for ticker in self._tickers):
            return False
        if self._tickers and (
            self._halt.is_asked()
            or self._handling.is_paused
            or self._dispatcher.running()
            or not self._context.lease.is_sure(time.monotonic())
        ):
            return True
        return not self._reader.looks_stuck(PATIENCE)

    def stop(self) -> None:
        """Finish what is being handled, hand back the rest, and return from ``run``.

        May be called from a signal handler or another thread.
        """
        self._halt.ask()

    def _make_context(self) -> Context:
        options = self.options
        settings = options.settings or get_settings()
        clients = Clients(
            reading_client(settings, self.name, options.block or settings.block), command_client(settings)
        )
        names = (self.stream, self.group, settings.key_prefix)
        group = Group(group_keys(*names), self.group, self.name, clients)
        return Context(
            stream=self.stream,
            group=self.group,
            settings=settings,
            options=options,
            hand=Hand(group),
            requeued=Hand(Group(requeue_keys(*names), self.group, self.name, clients, addressed=True)),
            lease=Lease(Roster(group).renew, settings.lease),
            mark=Mark(group),
            pace=Pace(max(options.count or settings.count, self._dispatcher.batch), options.threads),
        )

    def _join(self) -> bool:
        mark = self._context.mark
        created = mark.recreate(self.options.first) is not None
        self._context.lease.renew()
        if self.options.drain:
            self._reader.drain(self._group.last_id())
        self._reader.outage.over()
        self.joined = True
        return created

    def _consume(self) -> None:
        fail = self._halt.fail
        lease = Ticker("lease", self._context.lease.keep, fail)
        deadline = self._reader.deadline
        watch = Watch(
            self._context,
            self._dispatcher,
            deadline,
            on_stop=self._on_stop,
            before_end=lambda: self._before_end(lease),
        )
        watching = Ticker("watch", watch.tick, fail)
        self._tickers = (lease, watching)
        janitor = None
        if inbox.aliases(self.handlers):
            delay = inbox.PRUNING_INTERVAL * random.uniform(0.1, 1)  # noqa: S311 - not all consumers at once
            retention = self._context.settings.inbox_retention
            janitor = Ticker("janitor", lambda: inbox.prune_all(self.handlers, retention), fail, delay)
        delay = random.uniform(0, HOUSEKEEPING)  # noqa: S311
        housekeeper = Ticker("housekeeper", self._keep_house, fail, delay, database.leave)
        self._lanes = Lanes(self.options.threads, self._handling.handle, fail)
        try:
            while not self._reader.is_over():
                self._reader.turn(self._lanes)
        finally:
            self._halt.ask()  # what no lane has begun with is for others
            self._lanes.close(watch.is_hopeless)
            self._try(self._reader.finish)
            watching.close()
            lease.close()
            self._try(Roster(self._group).leave)
            # Last, because they may be in the middle of something that others do not wait for.
            housekeeper.close(CLOSING)
            if janitor:
                janitor.close(CLOSING)

    def _keep_house(self) -> float:
        for receiver, error in housekeeping.send_robust(sender=type(self), consumer=self):
            if error is not None:
                logger.error("housekeeping_failed receiver=%r error=%r", receiver, error)
        return HOUSEKEEPING

    def _before_end(self, lease: Ticker) -> None:
        """A handler was given up: the process is to end with it, and its lease must run out."""
        lease.close(0)
        self._hand_back()
        self._try(self._reader.finish)

    def _report(self) -> Report:
        tally = self._context.tally
        counts = {name: tally[name] for name in ("started", "failed", "dead", "adopted", "trimmed", "unhandled")}
        return Report(**counts, left=self.left() if self.options.drain else 0)

    def _hand_back(self) -> None:
        if self._lanes:
            self._settlement.hand_back(self._lanes.take_back())

    def _on_stop(self) -> None:
        """Hand back what no lane has begun with, and end the read that waits."""
        self._hand_back()
        with contextlib.suppress(redis.RedisError):
            self._group.wake()

    def _try(self, command: Callable[[], object]) -> None:
        try:
            command()
        except redis.RedisError as error:
            logger.warning("redis_failed stream=%s group=%s error=%r", self.stream, self.group, explain(error))
