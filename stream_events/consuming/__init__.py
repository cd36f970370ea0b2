"""Entries of a stream become calls of handlers."""

from stream_events.consuming.async_consumer import AsyncConsumer
from stream_events.consuming.consumer import Consumer

__all__ = ["AsyncConsumer", "Consumer"]
