"""What is handled in order, and what side by side."""

import threading
from collections import defaultdict

import pytest

from stream_events import StreamPublisher
from stream_events.consuming import Consumer
from stream_events.consuming.lanes import _object_number
from stream_events.consuming.pace import FIRST, MOST_BYTES, Pace
from stream_events.events import Entry


def test_events_of_one_object_stay_in_order_and_others_run_beside_them(registry, server):
    seen = defaultdict(list)
    at_a_time = set()
    running = set()

    def handle(event):
        assert event.obj_id not in running, "two events of one object at a time"
        running.add(event.obj_id)
        at_a_time.add(len(running))
        threading.Event().wait(0.002)
        seen[event.obj_id].append(event.data["at"])
        running.discard(event.obj_id)

    registry.register(handle, stream="orders", group="billing")
    StreamPublisher("orders").batch_add(
        [{"obj_id": number % 8, "obj_type": "shop.order", "data": {"at": number}} for number in range(400)]
    )
    report = Consumer("orders", "billing", drain=True, threads=4).run()
    assert (report.started, report.failed, report.left) == (400, 0, 0)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert max(at_a_time) > 1


@pytest.mark.parametrize("options", [{"max_events": 30}, {"max_seconds": 0.5}])
def test_limits_hold_in_several_lanes(registry, server, options):
    handled = []
    registry.register(lambda event: handled.append(event.obj_id), stream="orders", group="billing")
    StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(50)])
    report = Consumer("orders", "billing", threads=4, **options).run()
    assert report.started == len(handled) <= options.get("max_events", 50)
    assert handled


def test_what_is_no_event_has_a_lane_as_well():
    assert _object_number(Entry("1-1", {})) == 0
    assert _object_number(Entry("1-1", {b"payload": b'{"obj_id": [1, {}]}'})) >= 0


def test_little_is_held_until_the_work_is_known():
    pace = Pace(100, lanes=2)
    assert pace.limit() == 2 * FIRST
    pace.note_work(10, 0.001)
    assert pace.limit() == 200


def test_about_two_seconds_of_work_are_held():
    pace = Pace(100, lanes=1)
    pace.note_work(1, 0.5)
    assert pace.limit() == 4
    for _ in range(50):
        pace.note_work(1, 30)
    assert pace.limit() == 1


def test_large_entries_are_held_in_small_numbers():
    pace = Pace(1000, lanes=1)
    pace.note_work(100, 0.001)
    pace.note_size(10, 10 * 1024 * 1024)
    assert pace.limit() == MOST_BYTES // (1024 * 1024)
