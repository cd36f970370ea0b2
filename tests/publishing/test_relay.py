"""Relays of a real server and a database whose rows cannot be locked."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest
import redis
from django.db import DatabaseError, connections

from stream_events.connections import relaying_client
from stream_events.exceptions import NotDurableError
from stream_events.keys import relay_key
from stream_events.models import OutboxEvent
from stream_events.publishing.entries import NewEntry, make_entry
from stream_events.publishing.outbox import write_outbox
from stream_events.publishing.relay import AT_A_TIME, Relay
from stream_events.publishing.relaying import Relaying
from tests.conftest import wait_for
from tests.outboxes import TABLE

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def write(numbers, stream="orders", using="default", **payload):
    entries = [
        make_entry(stream, {"obj_id": number, "obj_type": "shop.order", "action": "create", **payload})
        for number in numbers
    ]
    write_outbox(entries, using)
    return [entry.event_id for entry in entries]


@pytest.fixture
def keys(arrived):
    """The keys of the objects in a stream."""
    return lambda stream="orders", count=0: [json.loads(one["payload"])["obj_id"] for one in arrived(stream, count)]


def left():
    return OutboxEvent.objects.count()


def test_sends_the_oldest_first_and_deletes_what_it_has_sent(real, keys):
    write([3, 1, 2])
    assert Relay("default").run() == 3
    assert keys() == [3, 1, 2]
    assert left() == 0
    assert Relay("default").run() == 0


def test_an_entry_has_the_event_id_the_time_and_the_further_fields_of_its_row(real, arrived):
    event_id = str(uuid.uuid4())
    payload = '{"obj_id":"ü"}'.encode()
    write_outbox([NewEntry("orders", payload, (None, "ü"), "create", {"correlation_id": "c"}, event_id)], "default")
    created_at = OutboxEvent.objects.get().created_at
    Relay("default").run()
    assert arrived("orders") == [
        {
            "payload": payload,
            "event_id": event_id.encode(),
            "correlation_id": b"c",
            "occurred_at": created_at.astimezone(UTC).isoformat().encode(),
        }
    ]


def test_more_than_it_takes_at_once_keeps_its_order(real, keys):
    count = 2 * AT_A_TIME + 7
    write(range(count))
    relay = Relay("default")
    assert relay.run_once() == AT_A_TIME
    assert left() == count - AT_A_TIME
    assert relay.run() == count - AT_A_TIME
    assert keys() == list(range(count))


def test_one_stream_keeps_its_order_among_others(real, keys):
    for number in range(50):
        write([number], stream=f"stream{number % 3}")
    Relay("default").run()
    for rest in range(3):
        assert keys(f"stream{rest}") == list(range(rest, 50, 3))


def test_each_database_has_its_own_outbox(real, keys):
    write([1], using="other")
    write([2])
    assert Relay("other").run() == 1
    assert keys() == [1]


def test_a_refused_stream_stays_and_keeps_no_other_waiting(real, keys, caplog):
    real.client.set("orders", "no stream")
    for number in range(AT_A_TIME + 1):
        write([number], stream="orders" if number < AT_A_TIME else "invoices")
    relay = Relay("default")
    assert relay.run() == 1
    assert keys("invoices") == [AT_A_TIME]
    assert left() == AT_A_TIME
    assert caplog.text.count("stream_refused stream=orders") == 1
    real.client.delete("orders")
    wait_for(lambda: relay.run() or not left(), "the time to try again")
    assert keys() == list(range(AT_A_TIME))


def test_a_stream_refused_in_the_middle_keeps_what_comes_behind(real, keys):
    last = 2**64 - 1
    real.client.xadd("orders", {"payload": '{"obj_id":0}'}, id=f"{last}-{last - 2}")  # there are two more ids
    ids = write([1, 2, 3, 4])
    assert Relay("default").run() == 2
    assert keys() == [0, 1, 2]
    assert [str(row.event_id) for row in OutboxEvent.objects.order_by("position")] == ids[2:]


def test_large_events_are_not_sent_all_at_once(real, keys):
    write(range(20), data={"text": "x" * 900_000})
    relay = Relay("default")
    assert 0 < relay.run_once() < 20
    relay.run()
    assert keys() == list(range(20))


def test_what_redis_does_not_answer_is_sent_again_with_the_same_ids(real, arrived):
    ids = write(range(10))
    real.kill()
    with pytest.raises(redis.ConnectionError):
        Relay("default").run()
    assert left() == 10
    real.start()
    Relay("default").run()
    assert [one["event_id"].decode() for one in arrived("orders")] == ids


def test_a_database_that_fails_says_so(real):
    with connections["default"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO elsewhere")
    try:
        with pytest.raises(DatabaseError):
            Relay("default").run()
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {TABLE}")


def test_what_is_not_durable_stays(real, settings, keys):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "WAIT_REPLICAS": 1}
    write([1])
    with pytest.raises(NotDurableError, match="WAIT"):
        Relay("default").run()
    assert (left(), real.client.exists("orders")) == (1, 0)


def test_only_one_relay_at_a_time_sends_where_rows_cannot_be_locked(real, keys):
    if connections["default"].features.has_select_for_update_skip_locked:
        pytest.skip("here they can")
    write([1])
    with relaying_client().lock(relay_key("default", ""), timeout=30):
        assert Relay("default").run() == 0
    assert Relay("default").run() == 1


def test_what_a_killed_relay_held_is_free_after_a_while(real, keys):
    write([1])
    assert relaying_client().lock(relay_key("default", ""), timeout=0.3).acquire()
    wait_for(lambda: Relay("default").run() == 1, "the end of the lock")


class TestRelaying:
    @pytest.fixture
    def relaying(self):
        relaying = Relaying("default")
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(relaying.run)
            yield relaying
            relaying.stop()
            done.result(20)

    def test_sends_what_comes(self, real, relaying, keys):
        for number in range(5):
            write([number])
            keys(count=number + 1)
        relaying.stop()
        assert keys() == list(range(5))

    def test_waits_for_redis_and_says_so(self, real, relaying, keys, caplog):
        real.kill()
        write([1])
        wait_for(lambda: "relay_failed database=default" in caplog.text, "the complaint")
        real.start()
        assert keys(count=1) == [1]
        wait_for(lambda: "relay_goes_on" in caplog.text, "the good news")

    def test_what_nobody_expects_ends_it_with_the_reason(self, real, settings, caplog):
        write([1])
        OutboxEvent.objects.update(headers="no JSON")
        relaying = Relaying("default")
        thread = threading.Thread(target=relaying.run)
        thread.start()
        thread.join(20)
        assert isinstance(relaying.error, ValueError)
        assert "relay_died database=default" in caplog.text
        assert left() == 1
