"""Model writes become entries of a stream."""

from stream_events.publishing.publisher import StreamPublisher
from stream_events.publishing.querysets import EventQuerySet
from stream_events.publishing.suppression import suppress

__all__ = ["EventQuerySet", "StreamPublisher", "suppress"]
