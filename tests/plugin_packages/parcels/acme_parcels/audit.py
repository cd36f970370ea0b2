"""The plugin as a function: it is called with the registry."""

from stream_events import Event
from stream_events.registry import HandlerRegistry


def note(event: Event) -> None:
    print(f"noted order {event.obj_id}", flush=True)


def register(handlers: HandlerRegistry) -> None:
    handlers.register(note, stream="orders", group="audit", name="audit")
