"""``RedisStreamReader``: reads one stream in one group, in any program."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any, Self

import redis

from stream_events.clients.address import HOST, PORT, one_url
from stream_events.clients.entries import NEW, ReadEntry, check_count, check_fields, entry_id, position
from stream_events.clients.membership import Membership
from stream_events.conf import settings_for
from stream_events.consuming.place import EARLIEST
from stream_events.events import Entry
from stream_events.exceptions import seconds


class RedisStreamReader:
    """Reads the stream ``stream_key`` as the consumer ``consumer_name`` of the group ``group_name``.

    The server is at ``server`` and ``port``, or at ``url``, which has room for a password, a database and TLS. A read
    takes up to ``count`` entries and waits ``block`` seconds for the first, the setting unless given, before it
    looks again for what is due. A group that is missing is created at ``create_from``: an entry id, ``earliest`` or
    ``latest``. Nothing is connected or read before a method needs it.

    The attribute ``stream_key`` is the key in Redis: where Django is configured, with the project's ``KEY_PREFIX``.
    ``redis_client`` is a plain client that returns bytes, and waits five seconds for a reply at most. Raises
    ``ConfigurationError`` for names and values that cannot be.
    """

    def __init__(
        self,
        stream_key: str,
        group_name: str,
        consumer_name: str,
        server: str = HOST,
        port: int = PORT,
        *,
        url: str | None = None,
        block: float | None = None,
        count: int = 1,
        create_from: str = EARLIEST,
    ) -> None:
        settings = settings_for(one_url(url, server, port))
        self._count = check_count(count)
        self._memberships: dict[tuple[str, str], Membership] = {}

        def join(group: str, consumer: str) -> Membership:
            return Membership(settings, stream_key, group, consumer, block=block, create_from=create_from)

        self._join = join
        self._own = self._membership(group_name, consumer_name)
        self.stream_key = self._own.group.keys.stream
        self.group_name = group_name
        self.consumer_name = consumer_name
        self.redis_client = self._own.client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def is_connected(self) -> bool:
        """Whether Redis answers, and lets us in."""
        try:
            return bool(self.redis_client.ping())
        except redis.RedisError:
            return False

    def connect(self) -> None:
        """Create the group if it is missing; raises ``RedisUnavailableError`` when Redis cannot be reached."""
        self._own.connect()

    def publish_message(self, message: Mapping[str, Any]) -> str:
        """Append an entry with the fields of ``message`` as they are, and return its id.

        Raises ``EventEncodeError`` when no entry can be made of it, and ``redis.RedisError`` when Redis does not take
        it, or nobody knows whether it did.
        """
        fields: dict[Any, Any] = check_fields(message)
        added: Any = self.redis_client.xadd(self.stream_key, fields)
        return str(added.decode())

    def consume_messages(
        self,
        consumer_group: str,
        consumer_name: str,
        last_id: str = NEW,
        count: int = 1,
        block: float | None = None,
    ) -> list[Any]:
        """Up to ``count`` new entries, as redis-py gives them: ``[[key, [(id, fields), …]]]``, in bytes.

        Waits for the first of them, ``block`` seconds at most if that is given; 0 does not wait. With an id for
        ``last_id``, those beyond it that the consumer holds and that are still in the stream, at once. Empty when
        there are none. Raises ``redis.RedisError`` when Redis does not answer.
        """
        membership = self._membership(consumer_group, consumer_name)
        wait = None if block is None else seconds(block)
        entries = membership.fetch(check_count(count), wait, position(last_id))
        rows = [(entry.entry_id.encode(), entry.fields) for entry in entries]
        return [[self.stream_key.encode(), rows]] if rows else []

    def read(self) -> Generator[ReadEntry, None, None]:
        """Entries one after the other, until ``stop`` or ``close`` is called.

        First those that this consumer holds and has not acknowledged, then in turns those that wait in the group and
        are due, and new ones. Waits out outages of Redis. What is not acknowledged stays this consumer's, and comes
        again when ``read`` is called the next time, in this process or another. One thread at a time reads.
        """
        waiting: deque[Entry] = deque()
        self._own.begin()
        try:
            while not self._own.is_stopped():
                waiting.extend(self._own.turn(self._count))
                while waiting and not self._own.is_stopped():
                    if entry := self._own.start(waiting.popleft()):
                        yield ReadEntry(entry)
        finally:
            self._own.hand_back(waiting)

    def ack(self, message_id: str | bytes) -> None:
        """Be done with an entry. While Redis does not answer, ``read`` sends that before it goes on."""
        self._own.ack(entry_id(message_id))

    def nack(self, message_id: str | bytes, after: float = 0.0) -> bool:
        """Let anybody in the group take an entry again in ``after`` seconds; False when it is not this consumer's."""
        return self._own.nack(entry_id(message_id), seconds(after))

    def stop(self) -> None:
        """End ``read``, for good; from another thread, or a signal handler."""
        for membership in list(self._memberships.values()):
            membership.stop()

    def close(self) -> None:
        """End ``read``, send what Redis has yet to be told, and close the connections; a signal handler must not."""
        for membership in list(self._memberships.values()):
            membership.close()

    def _membership(self, group: str, consumer: str) -> Membership:
        names = (group, consumer)
        if names not in self._memberships:
            self._memberships[names] = self._join(group, consumer)
        return self._memberships[names]
