"""A plugin that registers, and then fails."""

from stream_events import Event, handler


@handler("orders", group="billing")
def swallow(event: Event) -> None:
    """Would have events acknowledged that nobody has handled."""


raise RuntimeError("no licence")
