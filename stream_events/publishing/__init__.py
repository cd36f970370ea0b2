"""Model writes become entries of a stream."""

from stream_events.publishing.publisher import StreamPublisher

__all__ = ["StreamPublisher"]
