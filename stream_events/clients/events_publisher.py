"""``EventsPublisher``: publishes to one stream, for programs that have no models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import redis

from stream_events.conf import Settings, settings_for
from stream_events.connections import make_client, make_line
from stream_events.keys import check_stream
from stream_events.publishing.appender import Appender
from stream_events.publishing.appending import append
from stream_events.publishing.entries import NewEntry


class EventsPublisher(Appender):
    """Appends events to the stream ``event_stream_name`` of the server at ``url``, at once.

    The server is the project's unless given, or where Django is not configured the one on this machine. ``publisher``
    is a plain client of it. Connects with the first event. Raises ``ConfigurationError`` for a name or a URL that
    cannot be used; what ``add`` and the others raise is said there.
    """

    def __init__(self, event_stream_name: str, *, url: str | None = None) -> None:
        check_stream(event_stream_name)
        self.stream = self.event_stream_name = event_stream_name
        self._own_settings = settings_for(url)
        timeout = self._own_settings.publish_timeout
        self.publisher = make_client(self._own_settings, timeout=timeout)
        self._line = make_line(self._own_settings, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; they are made again when they are needed."""
        self._line.close()
        self.publisher.connection_pool.disconnect()

    def _settings(self) -> Settings:
        return self._own_settings

    def _client(self) -> redis.Redis:
        return self.publisher

    def _append(self, entries: Sequence[NewEntry]) -> list[str | redis.ResponseError]:
        return append(entries, self._line, self._own_settings)
