"""Clients of streams for any program: Django has to be installed, not configured."""

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
