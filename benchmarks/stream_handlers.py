"""The handler of the consumer that runs beside an outage."""

from stream_events import Event, handler


@handler("bench", group="bystanders")
def do_nothing(event: Event) -> None:
    pass
