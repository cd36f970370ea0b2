"""A consumer without a group, and a server that is hurt."""

import contextlib
import json
import threading

import pytest

from stream_events.consuming.position import KeyPosition
from stream_events.consuming.tail import Tail
from stream_events.registration import make_handler
from tests.conftest import wait_for
from tests.faults.conftest import Ground

pytestmark = pytest.mark.django_db

fault = pytest.mark.fault


@contextlib.contextmanager
def tailing(func, **options):
    """A regular consumer beside the block."""
    tail = Tail("orders", [make_handler(func, "orders", None, {})], position=KeyPosition("test"), **options)
    thread = threading.Thread(target=tail.run, daemon=True)
    thread.start()
    yield tail
    tail.stop()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def handled():
    """What a regular consumer beside the test has handled."""
    handled = []
    with tailing(lambda event: handled.append(event.obj_id)):
        yield handled


def publish(server, *numbers):
    for number in numbers:
        server.client.xadd("orders", {"payload": json.dumps({"obj_id": number})})


GROUNDS = [
    Ground(),
    *(
        pytest.param(Ground(server, protocol), marks=pytest.mark.slow)
        for server in ("redis-7.0", "redis-6.2", "redis-8")
        for protocol in (2, 3)
    ),
]


@fault("F18", "F20")
@pytest.mark.parametrize("ground", GROUNDS, ids=str)
def test_goes_on_after_a_restart_of_redis(real, handled):
    publish(real, 1, 2)
    wait_for(lambda: handled == [1, 2])
    real.kill()
    real.start()
    publish(real, 3)
    wait_for(lambda: handled == [1, 2, 3])


@fault("F20")
def test_goes_on_after_redis_has_lost_everything(real, handled):
    publish(real, 1, 2)
    wait_for(lambda: handled == [1, 2])
    real.lose_everything()
    publish(real, 3)
    wait_for(lambda: handled == [1, 2, 3])


@fault("F17")
def test_the_reply_of_a_read_is_lost(real, proxy, handled):
    publish(real, 1)
    wait_for(lambda: handled == [1])
    proxy.drop("XREAD")
    publish(real, 2, 3)
    wait_for(lambda: handled == [1, 2, 3])


@fault("F18")
def test_what_was_handled_while_redis_went_away_is_deleted_when_it_is_back(real):
    publish(real, 1)
    handled = []

    def handle(event):
        handled.append(event.obj_id)
        real.kill()

    with tailing(handle, delete=True):
        wait_for(lambda: handled == [1])
        real.process.wait()
        real.start()
        wait_for(lambda: real.client.xlen("orders") == 0)
    assert handled == [1]
