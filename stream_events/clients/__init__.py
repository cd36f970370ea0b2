"""Clients of streams for any program: Django has to be installed, not configured."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream_events.clients.async_consumer import AsyncRedisStreamConsumer
    from stream_events.clients.events_consumer import EventsConsumer
    from stream_events.clients.events_publisher import EventsPublisher
    from stream_events.clients.reader import RedisStreamReader
    from stream_events.clients.service import RedisService

__all__ = [
    "AsyncRedisStreamConsumer",
    "EventsConsumer",
    "EventsPublisher",
    "RedisService",
    "RedisStreamReader",
]

_HOMES = {
    "AsyncRedisStreamConsumer": "stream_events.clients.async_consumer",
    "EventsConsumer": "stream_events.clients.events_consumer",
    "EventsPublisher": "stream_events.clients.events_publisher",
    "RedisService": "stream_events.clients.service",
    "RedisStreamReader": "stream_events.clients.reader",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
