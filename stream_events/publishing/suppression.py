"""Code that publishes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from stream_events.conf import settings_for
from stream_events.keys import check_stream

_ALL = "*"

_suppressed: ContextVar[frozenset[str]] = ContextVar("stream_events_suppressed", default=frozenset())


@contextlib.contextmanager
def suppress(*streams: str) -> Iterator[None]:
    """Publish nothing to ``streams`` inside, or to any stream when none is named; nested ones add up.

    Works as a decorator as well. Raises ``ConfigurationError`` for what cannot be the name of a stream.
    """
    for stream in streams:
        check_stream(stream)
    token = _suppressed.set(_suppressed.get() | set(streams or [_ALL]))
    try:
        yield
    finally:
        _suppressed.reset(token)


def is_suppressed(stream: str) -> bool:
    """Whether nothing is to be published to ``stream`` here, because of ``suppress`` or ``ENABLED``."""
    suppressed = _suppressed.get()
    return bool(suppressed and (stream in suppressed or _ALL in suppressed)) or not settings_for().enabled
