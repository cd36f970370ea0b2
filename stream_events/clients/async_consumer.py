"""``AsyncRedisStreamConsumer``: awaits a callback for each entry of a stream, in any program."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from stream_events.clients.address import configured_url
from stream_events.clients.calls import Callback, CallOptions, Calls, Delivered, current_member
from stream_events.clients.entries import NEW, check_count, entry_id, position
from stream_events.clients.membership import Membership
from stream_events.conf import settings_for
from stream_events.consuming.place import EARLIEST
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError, seconds

logger = logging.getLogger("stream_events")

THREADS = 8  # for one read and several short commands at a time
T = TypeVar("T")


class AsyncRedisStreamConsumer:
    """Reads ``stream_name`` as the consumer ``consumer_name`` of the group ``group_name``.

    ``server_config`` is a mapping with ``url``, or with some of ``host``, ``port``, ``db``, ``username`` and
    ``password``. With ``0`` for ``last_delivered_id``, or another entry id, the pending entries that this consumer
    holds beyond it come first; with ``>`` those are left alone. ``service`` is awaited with the id and the fields of
    each entry, up to ``concurrency`` at a time; a plain function is called on the event loop. If it raises, the entry
    comes again after ``retry_after`` seconds; if it returns, the entry is acknowledged with ``auto_ack``, and else
    left to ``ack``. ``count``, ``block`` and ``create_from`` are those of ``RedisStreamReader``.

    Redis is talked to in threads beside the loop. Connects when a method needs it. Raises ``ConfigurationError`` or
    ``ValueError`` for values that cannot be.
    """

    def __init__(
        self,
        stream_name: str,
        group_name: str,
        consumer_name: str,
        server_config: Mapping[str, Any] | None = None,
        last_delivered_id: str = NEW,
        service: Callback | None = None,
        count: int = 1,
        *,
        concurrency: int = 1,
        auto_ack: bool = False,
        retry_after: float = 5.0,
        block: float | None = None,
        create_from: str = EARLIEST,
    ) -> None:
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise ConfigurationError(f"concurrency must be a whole number of at least 1, got {concurrency!r}.")
        settings = settings_for(configured_url(server_config))
        names = (stream_name, group_name, consumer_name)
        after = position(last_delivered_id)
        self._names = names
        self._service = service
        self._count = check_count(count)
        self._options = CallOptions(concurrency=concurrency, auto_ack=auto_ack, retry_after=seconds(retry_after))
        self._make = partial(Membership, settings, *names, block=block, create_from=create_from, after=after)
        self._member = self._make()
        self._busy = asyncio.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS, f"stream_events-{consumer_name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.stop()

    def describe(self) -> str:
        """What is read, in one line."""
        return "Stream: {} Group: {} Consumer: {}".format(*self._names)

    async def connect_to_redis(self) -> None:
        """Create the group if it is missing; raises ``RedisUnavailableError`` when Redis cannot be reached.

        Whoever does not call it connects with the first read, which waits for Redis.
        """
        await self._in_thread(self._ready().connect)
        logger.info("connected %s", self.describe())

    async def consume(self, callback: Callback | None = None) -> tuple[str, list[Delivered]] | None:
        """Read once, await ``service`` or ``callback`` for each entry, and return the stream's name with all of them.

        None when there was nothing within ``block`` seconds, and after a while when Redis does not answer. When the
        task is cancelled, what was read and not handled is handed back, and the connections are closed.
        """
        async with self._busy:
            member = self._ready()
            try:
                entries = await self._take(member)
                async with self._calls(member, callback) as calls:
                    tasks = calls.give(entries)
            except asyncio.CancelledError:
                await self._in_thread(member.close)
                raise
            delivered = [one for task in tasks if (one := task.result())]
            if member.is_stopped():
                await self._in_thread(member.close)
        return (self._names[0], delivered) if delivered else None

    async def start(self, callback: Callback | None = None) -> None:
        """Read, and await ``service`` or ``callback`` for each entry, until ``stop`` is called.

        Waits out outages of Redis. While calls are slow others are started, up to ``concurrency``. When the task is
        cancelled the calls are, too; their entries, and those that were not started, are handed back.
        """
        if (self._service or callback) is None:
            raise ConfigurationError("Nobody handles the entries: give a service, or start(callback).")
        async with self._busy:
            member = self._ready()
            try:
                async with self._calls(member, callback) as calls:
                    while not member.is_stopped():
                        calls.give(await self._take(member))
                        await calls.room()
            finally:
                await self._in_thread(member.close)

    async def stop(self) -> None:
        """End ``start`` when the calls that run have returned, wait for that, and close the connections.

        Entries that were not started are handed back. A callback that calls it is not waited for.
        """
        member = self._member
        await self._in_thread(member.stop)
        if current_member() is member:
            return
        async with self._busy:
            await self._in_thread(member.close)

    async def ack(self, message_id: str | bytes) -> None:
        """Be done with an entry. While Redis does not answer, the next read sends that first."""
        await self._in_thread(self._member.ack, entry_id(message_id))

    async def nack(self, message_id: str | bytes, after: float = 0.0) -> bool:
        """Let anybody in the group take an entry again in ``after`` seconds; False when it is not this consumer's."""
        return await self._in_thread(self._member.nack, entry_id(message_id), seconds(after))

    def _ready(self) -> Membership:
        # One that is only stopped stays: whoever stops it waits until it is closed.
        if self._member.is_closed():
            self._member = self._make()
        return self._member

    def _calls(self, member: Membership, callback: Callback | None) -> Calls:
        return Calls(member, self._service or callback, self._options, self._in_thread)

    async def _take(self, member: Membership) -> list[Entry]:
        reading = self._threads.submit(member.turn, self._count)
        try:
            return await asyncio.shield(asyncio.wrap_future(reading))
        except asyncio.CancelledError:
            await self._in_thread(_give_up, member, reading)
            raise

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        # Shielded, because a cancelled future would never begin.
        return await asyncio.shield(asyncio.wrap_future(self._threads.submit(function, *arguments)))


def _give_up(member: Membership, reading: concurrent.futures.Future[list[Entry]]) -> None:
    """End a read that nobody waits for any longer, and let others have what it has taken."""
    member.stop()
    if not reading.exception():
        member.hand_back(reading.result())
