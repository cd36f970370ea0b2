"""What consumers let others do on the side."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from stream_events import StreamPublisher
from stream_events.consuming import Consumer
from stream_events.consuming import consumer as module
from stream_events.signals import housekeeping
from tests.conftest import wait_for


@pytest.fixture
def handled(registry, server):
    handled = []
    registry.register(lambda event: handled.append(event.obj_id), stream="orders", group="billing", name="handled")
    return handled


@pytest.fixture
def keep_house():
    """Connects receivers for the time of a test."""
    receivers = []

    def connect(receiver):
        receivers.append(receiver)
        housekeeping.connect(receiver)

    yield connect
    for receiver in receivers:
        housekeeping.disconnect(receiver)


def publish(number):
    StreamPublisher("orders").add({"obj_id": number, "obj_type": "shop.order", "action": "create"})


def test_it_comes_again_and_again_and_its_failure_is_no_end(handled, keep_house, monkeypatch, caplog):
    calls = []

    def fail(**_):
        calls.append(threading.current_thread().name)
        raise ValueError("no")

    keep_house(fail)
    monkeypatch.setattr(module, "HOUSEKEEPING", 0.01)
    consumer = Consumer("orders", "billing")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(consumer.run)
        wait_for(lambda: len(calls) > 2, "three rounds")
        publish(1)
        wait_for(lambda: handled == [1], "the event")
        consumer.stop()
        running.result(20)
    assert "housekeeping_failed" in caplog.text
    assert set(calls) == {"stream_events-housekeeper"}


def test_a_consumer_that_stops_hands_back_and_leaves_before_it_waits_for_it(handled, keep_house, server, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()

    def take_long(**_):
        entered.set()
        go_on.wait(30)

    keep_house(take_long)
    monkeypatch.setattr(module, "CLOSING", 60)
    consumer = Consumer("orders", "billing")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(consumer.run)
        publish(1)
        assert entered.wait(20)
        wait_for(lambda: handled == [1], "the event")
        consumer.stop()
        wait_for(lambda: server.xinfo_consumers("t:orders", "billing") == [], "the end of its membership", timeout=10)
        assert not running.done()
        go_on.set()
        running.result(20)
