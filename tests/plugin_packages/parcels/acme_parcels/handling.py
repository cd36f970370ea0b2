"""The plugin as a module: its decorators register as it is imported."""

from stream_events import Event, handler


@handler("orders", group="parcels", actions=["create"])
def pack(event: Event) -> None:
    print(f"a parcel for order {event.obj_id}", flush=True)
