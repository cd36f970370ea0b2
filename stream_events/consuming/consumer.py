"""``Consumer``: reads one stream for one group and has its events handled, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from django.db import close_old_connections, reset_queries

from stream_events.conf import get_settings
from stream_events.connections import command_client, explain, reading_client, safe_url
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.group import START, Group, follows
from stream_events.consuming.options import ConsumerOptions, Report
from stream_events.consuming.outage import Outage
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError, RedisUnavailableError
from stream_events.keys import stream_key
from stream_events.registry import handlers

logger = logging.getLogger("stream_events")

ACK_INTERVAL = 0.1  # seconds; what is finished is acknowledged at least this often
SWEEP_INTERVAL = 5.0  # how often entries are looked for that another consumer left behind
IDLE_CONSUMER = 60.0  # a consumer that holds nothing for this long, and for CLAIM_IDLE, is taken for gone
WAKE_INTERVAL = 0.1


class Consumer:
    """Handles the events of ``stream`` for ``group`` with the handlers registered for them.

    Options are the fields of ``ConsumerOptions``. Raises ``ConfigurationError`` when nothing is registered for
    the group or any registration in the project is broken: an event must not be acknowledged because its
    handler failed to load.
    """

    def __init__(self, stream: str, group: str, **options: Any) -> None:
        self.options = ConsumerOptions(**options)
        self.stream = stream
        self.group = group
        if handlers.problems:
            raise ConfigurationError("\n".join(problem.text for problem in handlers.problems))
        self.handlers = handlers.find(stream, group)
        self.name = _unique_name(self.options.consumer)
        self._settings = settings = get_settings()
        self._count = self.options.count or settings.count
        self._block = self.options.block or settings.block
        self._dispatcher = Dispatcher(stream, group, self.handlers)
        self._group = Group(
            stream_key(stream, settings.key_prefix),
            group,
            self.name,
            reader=reading_client(self.name, self._block),
            client=command_client(),
        )
        self.joined = False
        self._stopping = False
        self._stop_asked = threading.Event()
        self._ended = threading.Event()
        self._ended.set()  # until it runs, nobody has to be woken
        self._outage = Outage(settings.url, self._stop_asked)
        self._finished: list[str] = []  # handled, and not acknowledged yet
        self._started = 0
        self._cursor = START  # how far the pending list was swept
        self._next_sweep = 0.0
        self._has_claimed = False
        self._deadline = float("inf")
        self._drain_to: str | None = None  # the last entry to wait for, until it was read

    def join(self) -> bool:
        """Wait for Redis, and create the group if it is missing; True when it was created.

        Gives up when ``stop`` is called or ``max_seconds`` are over. Raises ``ConfigurationError`` for a key that is
        no stream. With ``drain`` it does not wait, and raises ``RedisUnavailableError``.
        """
        if self._deadline == float("inf"):
            self._deadline = time.monotonic() + (self.options.max_seconds or float("inf"))
        while not self._stopping and time.monotonic() < self._deadline:
            try:
                created = self._group.ensure(self.options.create_from)
                self._drain_to = self._group.last_id() if self.options.drain else None
            except redis.RedisError as error:
                self._wait_out(error)
            else:
                self.joined = True
                self._outage.over()
                return created
        return False

    def run(self) -> Report:
        """Join, unless that was done, and handle events until ``stop`` is called or a limit is reached.

        Raises what ``join`` raises.
        """
        self._ended.clear()
        try:
            if not self.joined:
                self.join()
            while not self._is_over():
                self._step()
            return Report(self._started, self._left())
        finally:
            self._ended.set()
            self._try(self._acknowledge)
            self._try(self._group.leave)

    def stop(self) -> None:
        """Finish the entry that is being handled, hand back the rest, and return from ``run``.

        May be called from a signal handler or another thread.
        """
        # A signal handler must not touch a lock that the interrupted code may hold; the thread may.
        if not self._stopping:
            self._stopping = True
            threading.Thread(target=self._wake, name="stream_events-wake", daemon=True).start()

    def _step(self) -> None:
        try:
            # What is finished goes first: after an outage it must not be claimed and handled again.
            self._acknowledge()
            # In turns, so that a long list of entries that fail again and again keeps no new one waiting.
            batch = self._read() if self._has_claimed else self._claim() or self._read()
        except redis.RedisError as error:
            self._recover(error)
            return
        self._outage.over()
        if batch:
            self._handle(batch)

    def _recover(self, error: redis.RedisError) -> None:
        # A reader that waits is told UNBLOCKED by Redis 7.0 when its key goes, NOGROUP by every other version.
        if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
            self._wait_out(error)
            return
        try:
            created = self._group.ensure()
        except redis.RedisError as another:
            self._wait_out(another)
            return
        if created:
            logger.error(
                "group_recreated stream=%s group=%s: it was gone; reading from the first entry",
                self.stream,
                self.group,
            )

    def _claim(self) -> list[Entry]:
        """Entries that some consumer left pending, looked for at the start and every few seconds."""
        if time.monotonic() < self._next_sweep:
            return []
        idle = self._settings.claim_idle
        self._cursor, entries = self._group.claim(idle, self._room(), self._cursor)
        if self._cursor == START:
            self._next_sweep = time.monotonic() + min(idle, SWEEP_INTERVAL)
            self._try(lambda: self._group.remove_idle(max(idle, IDLE_CONSUMER)))
        self._has_claimed = bool(entries)
        if entries:
            logger.warning(
                "entries_claimed stream=%s group=%s count=%s idle=%s", self.stream, self.group, len(entries), idle
            )
        return entries

    def _read(self) -> list[Entry]:
        self._has_claimed = False
        now = time.monotonic()
        wait = min(self._block, self._deadline - now, self._next_sweep - now)
        # Neither a sweep that is under way nor draining has time to wait for entries that are still to come.
        if self._cursor != START or self._drain_to or wait <= 0:
            entries = self._group.read(self._room(), None)
        else:
            entries = self._group.read(self._room(), wait)
        if self._drain_to and (not entries or not follows(self._drain_to, entries[-1].entry_id)):
            self._drain_to = None
        return entries

    def _handle(self, batch: Sequence[Entry]) -> None:
        close_old_connections()
        reset_queries()
        untouched = list(reversed(batch))
        acknowledged = time.monotonic()
        try:
            while untouched and not self._stopping and time.monotonic() < self._deadline:
                entry = untouched.pop()
                self._started += 1
                if self._dispatcher.dispatch(entry):
                    self._finished.append(entry.entry_id)
                else:
                    close_old_connections()  # the reason may be a connection that the next entry would get
                if time.monotonic() - acknowledged > ACK_INTERVAL:
                    self._try(self._acknowledge)
                    acknowledged = time.monotonic()
        finally:
            self._try(self._acknowledge)
            if untouched:
                self._try(lambda: self._group.hand_back(untouched, self._settings.claim_idle))
            close_old_connections()

    def _acknowledge(self) -> None:
        if self._finished:
            self._group.ack(self._finished)
            self._finished = []

    def _is_over(self) -> bool:
        if self._stopping or self._room() == 0 or time.monotonic() >= self._deadline:
            return True
        if not self.options.drain or self._drain_to or self._cursor != START:
            return False
        return self.options.max_seconds is None or self._left() == 0

    def _room(self) -> int:
        if self.options.max_events is None:
            return self._count
        return max(0, min(self._count, self.options.max_events - self._started))

    def _left(self) -> int:
        if not self.options.drain:
            return 0
        try:
            return self._group.pending_count()
        except redis.RedisError as error:
            raise self._unavailable(error) from error

    def _wait_out(self, error: redis.RedisError) -> None:
        if self.options.drain:
            raise self._unavailable(error) from error
        self._outage.wait(error, self._deadline - time.monotonic())

    def _unavailable(self, error: redis.RedisError) -> RedisUnavailableError:
        return RedisUnavailableError(f"Redis at {safe_url(self._settings.url)} cannot be reached: {explain(error)}")

    def _try(self, command: Callable[[], object]) -> None:
        try:
            command()
        except redis.RedisError as error:
            logger.warning("redis_failed stream=%s group=%s error=%r", self.stream, self.group, explain(error))

    def _wake(self) -> None:
        self._stop_asked.set()
        logger.info("consumer_stopping stream=%s group=%s", self.stream, self.group)
        while not self._ended.wait(WAKE_INTERVAL):
            with contextlib.suppress(redis.RedisError):
                self._group.wake()


def _unique_name(prefix: str) -> str:
    return f"{prefix or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
