"""An event bus for Django over Redis Streams.

The public names are resolved on first use, so that importing the package imports neither Django nor redis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stream_events.version import VERSION

if TYPE_CHECKING:
    from stream_events.events import Event
    from stream_events.exceptions import Reject, Retry, StreamEventsError
    from stream_events.publishing import EventQuerySet, StreamPublisher, suppress
    from stream_events.registry import handler, handlers

__all__ = [
    "Event",
    "EventQuerySet",
    "Reject",
    "Retry",
    "StreamEventsError",
    "StreamPublisher",
    "handler",
    "handlers",
    "suppress",
]
__version__ = VERSION

_HOMES = {
    "Event": "stream_events.events",
    "EventQuerySet": "stream_events.publishing",
    "Reject": "stream_events.exceptions",
    "Retry": "stream_events.exceptions",
    "StreamEventsError": "stream_events.exceptions",
    "StreamPublisher": "stream_events.publishing",
    "handler": "stream_events.registry",
    "handlers": "stream_events.registry",
    "suppress": "stream_events.publishing",
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
