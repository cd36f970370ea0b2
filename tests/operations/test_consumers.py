"""Consumers: whether they live, and what they hold."""

import os
import socket
import threading
import time
from datetime import timedelta

import pytest

from stream_events import Retry, StreamPublisher
from stream_events.consuming import Consumer
from stream_events.keys import group_keys
from stream_events.operations.consumers import ConsumerState, consumers, group_consumers
from tests.conftest import wait_for
from tests.consuming.test_group import SHAPES

KEYS = group_keys("orders", "billing", "t:")
KEY = KEYS.stream

pytestmark = pytest.mark.usefixtures("registry", "server")


def publish(count, stream="orders"):
    return StreamPublisher(stream).batch_add([{"obj_id": number} for number in range(count)])[0]


def lease(server, consumer, seconds):
    server.zadd(KEYS.consumers, {consumer: (time.time() + seconds) * 1000})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_those_that_hold_most_come_first(server, settings, shape):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": shape}
    ids = publish(6)
    server.xgroup_create(KEY, "billing", "0")
    server.xreadgroup("billing", "other", {KEY: ">"}, count=1)
    server.xreadgroup("billing", "web-3-4121-0a1b2c", {KEY: ">"}, count=3)
    server.xreadgroup("billing", "gone", {KEY: ">"}, count=2)
    server.xclaim(KEY, "billing", "~retry", 0, [ids[5]], justid=True)
    lease(server, "web-3-4121-0a1b2c", 30)
    lease(server, "gone", -30)
    running, gone, foreign, waiting = group_consumers("orders", "billing")
    assert [one.state for one in (running, gone, foreign, waiting)] == [
        ConsumerState.RUNNING,
        ConsumerState.GONE,
        ConsumerState.FOREIGN,
        ConsumerState.WAITING,
    ]
    assert (running.name, running.host, running.pid) == ("web-3-4121-0a1b2c", "web-3", 4121)
    assert (running.pending, running.oldest, running.requeued) == (3, ids[1], 0)
    assert timedelta(seconds=20) < running.lease_left <= timedelta(seconds=31)
    assert (gone.pending, gone.oldest, gone.lease_left < timedelta(0)) == (1, ids[4], True)
    assert (foreign.name, foreign.host, foreign.pid, foreign.lease_left) == ("other", "", None, None)
    assert (waiting.name, waiting.pending, waiting.oldest) == ("~retry", 1, ids[5])
    assert running.idle < timedelta(seconds=30)


def test_one_that_has_not_read_yet_is_there(server):
    publish(1)
    server.xgroup_create(KEY, "billing", "0")
    lease(server, "new", 30)
    (one,) = group_consumers("orders", "billing")
    assert (one.name, one.state, one.pending, one.oldest) == ("new", ConsumerState.RUNNING, 0, "")


def test_what_it_holds_of_requeued_entries_is_told_apart(server):
    publish(1)
    server.xgroup_create(KEY, "billing", "0")
    server.xadd(KEYS.requeue, {"payload": "{}"})
    server.xgroup_create(KEYS.requeue, "billing", "0")
    server.xreadgroup("billing", "one", {KEYS.requeue: ">"})
    lease(server, "one", 30)
    (one,) = group_consumers("orders", "billing")
    assert (one.pending, one.requeued) == (0, 1)


def test_those_of_all_groups_take_three_round_trips(server, trips):
    for stream in ("orders", "users"):
        publish(2, stream)
        for group in ("billing", "search"):
            server.xgroup_create(f"t:{stream}", group, "0")
            server.xreadgroup(group, f"{group}-1", {f"t:{stream}": ">"})
    server.lpush("t:list", "x")
    consumers(["orders"])
    trips.clear()
    found = consumers(["orders", "users", "nothing", "list"])
    assert len(trips) == 3
    assert [(one.stream, one.group, one.name, one.pending) for one in found] == [
        (stream, group, f"{group}-1", 2) for stream in ("orders", "users") for group in ("billing", "search")
    ]


def test_of_what_is_not_there_there_are_none(server):
    assert group_consumers("orders", "billing") == []
    publish(1)
    assert group_consumers("orders", "billing") == []
    assert consumers([]) == []


def test_groups_and_consumers_of_other_programs_have_any_names(server):
    publish(1)
    server.xgroup_create(KEY, b"\xff:", "0")
    server.xreadgroup(b"\xff:", b"\xfe", {KEY: ">"})
    (one,) = consumers(["orders"])
    assert (one.group, one.name, one.pending) == ("\\xff:", "\\xfe", 1)


@pytest.mark.django_db
def test_a_running_consumer_says_where_it_runs(server, registry):
    begun, end = threading.Event(), threading.Event()

    def handle(event):
        if event.obj_id == 0:
            raise Retry(after=600)
        begun.set()
        assert end.wait(20)

    registry.register(handle, stream="orders", group="billing", name="handle")
    ids = publish(2)
    consumer = Consumer("orders", "billing", max_seconds=20)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        assert begun.wait(20)
        running, waiting = wait_for(
            lambda: len(found := group_consumers("orders", "billing")) == 2 and found, "the retry"
        )
        assert (running.state, running.host, running.pid) == (ConsumerState.RUNNING, socket.gethostname(), os.getpid())
        assert (running.pending, running.oldest) == (1, ids[1])
        assert (waiting.state, waiting.pending, waiting.oldest) == (ConsumerState.WAITING, 1, ids[0])
    finally:
        end.set()
        consumer.stop()
        thread.join()
