"""The verbs of a stream that is read without a group."""

from __future__ import annotations

from typing import Any

import redis

from stream_events.consuming.clients import Clients
from stream_events.consuming.replies import milliseconds, new_entries, no_stream
from stream_events.events import Entry
from stream_events.keys import position_key, stream_key


class Feed:
    """One reader's view of ``stream``; the server knows its connections by ``name``. Times are seconds."""

    def __init__(self, stream: str, name: str, clients: Clients, prefix: str = "") -> None:
        self.stream = stream
        self.name = name
        self.key = stream_key(stream, prefix)
        self.client = clients.command
        self._clients = clients
        self._prefix = prefix

    def position_key(self, name: str) -> str:
        """The key in which a position called ``name`` is remembered."""
        return position_key(self.stream, name, self._prefix)

    def read(self, after: str, count: int, block: float) -> list[Entry]:
        """Up to ``count`` entries that follow ``after``, waiting ``block`` seconds for the first.

        Raises ``ConfigurationError`` when the key holds no stream.
        """
        wait = max(1, milliseconds(block))
        streams: dict[Any, Any] = {self.key: after}
        try:
            return new_entries(self._clients.reader.xread(streams, count=count, block=wait))
        except redis.ResponseError as error:
            raise self._mapped(error) from error

    def delete(self, entry_id: str) -> None:
        """Delete an entry, for everybody; raises as ``read`` does."""
        try:
            self.client.xdel(self.key, entry_id)
        except redis.ResponseError as error:
            raise self._mapped(error) from error

    def last_id(self) -> str | None:
        """The id of the newest entry that the stream ever had; None while there is no stream."""
        try:
            return self._clients.last_id(self.key)
        except redis.ResponseError as error:
            if "no such key" in str(error):
                return None
            raise self._mapped(error) from error

    def wake(self) -> None:
        """End a read that waits, from another thread."""
        self._clients.wake(self.name)

    def close(self) -> None:
        """Close the connections; they are made again when they are needed."""
        self._clients.close()

    def _mapped(self, error: redis.ResponseError) -> Exception:
        return no_stream(self.key) if "WRONGTYPE" in str(error) else error
