"""The regular consumer of other programs: every event, without a group."""

import asyncio
import json

from django.conf import settings

from stream_events.clients import EventsConsumer
from tests.conftest import wait_for

URL = settings.STREAM_EVENTS["URL"]


def publish(server, *numbers, stream="t:orders"):
    return [server.xadd(stream, {"payload": json.dumps({"obj_id": number})}).decode() for number in numbers]


class Collected(list):
    """A handler that keeps the objects of its events."""

    def __call__(self, event):
        self.append(event.obj_id)


def test_every_event_of_a_batch_is_handled_in_order(server):
    publish(server, *range(250))
    collected = Collected()
    with EventsConsumer("orders", collected, url=URL):
        wait_for(lambda: len(collected) == 250)
    assert collected == list(range(250))
    assert server.xlen("t:orders") == 250
    assert server.xinfo_groups("t:orders") == []


def test_a_subclass_handles_payloads_as_the_seeds_did(server):
    publish(server, 1, 2)
    payloads = []

    class Dashboard(EventsConsumer):
        async def handle_event(self, payload):
            await asyncio.sleep(0)
            payloads.append(payload)

    with Dashboard("orders", url=URL, delete=True):
        wait_for(lambda: server.xlen("t:orders") == 0, "the entries deleted")
    assert payloads == [{"obj_id": 1}, {"obj_id": 2}]


def test_stop_ends_a_read_that_waits(server):
    consumer = EventsConsumer("orders", print, url=URL, block=600)
    thread = consumer.start_in_thread()
    wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "the read that waits")
    assert consumer.stop(timeout=30)
    assert not thread.is_alive()
