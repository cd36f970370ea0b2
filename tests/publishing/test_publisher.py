"""The publisher as an object: verbs of one's own, and appending by hand."""

import asyncio
import contextlib
import json
import uuid

import pytest
import redis
from asgiref.sync import async_to_sync
from django.db import transaction

from stream_events import StreamPublisher, suppress
from stream_events.exceptions import ConfigurationError, EventEncodeError
from stream_events.models import OutboxEvent
from stream_events.publishing.counts import OUTCOMES, outcomes
from stream_events.publishing.relay import Relay
from tests.shop.models import Coordinate, Order, Quiet, Restaurant

ORDER = {"obj_id": 1, "obj_type": "shop.order", "action": "create"}


@pytest.fixture
def publisher(server):
    return StreamPublisher("orders")


@pytest.fixture
def counted():
    """What the metrics have counted since the beginning of the test."""
    before = {outcome: outcomes[outcome] for outcome in OUTCOMES}
    return lambda: {name: outcomes[name] - before[name] for name in OUTCOMES if outcomes[name] != before[name]}


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestPublish:
    def test_publishes_a_verb_of_ones_own_with_the_declared_fields(self, entries):
        order = Order.objects.create(number="A1")
        Order.events.publish(order, "paid")
        assert entries("orders")[1]["action"] == "paid"
        assert entries("orders")[1]["data"]["number"] == "A1"

    def test_data_replaces_the_declared_fields(self, entries):
        order = Order.objects.create(number="A1")
        order.events.publish("refund_requested", data={"reason": "late"})
        assert entries("orders")[1] == {
            "obj_id": order.pk,
            "obj_type": "shop.order",
            "action": "refund_requested",
            "data": {"reason": "late"},
        }

    def test_waits_for_the_commit(self, entries):
        order = Order.objects.create(number="A1")
        with transaction.atomic():
            order.events.publish("paid")
            assert len(entries("orders")) == 1
        assert len(entries("orders")) == 2

    def test_a_child_publishes_as_the_model_that_declares(self, entries):
        restaurant = Restaurant.objects.create(name="Chez")
        restaurant.place_ptr.events.publish("opened")
        assert entries("places")[-1]["obj_type"] == "shop.place"

    def test_an_instance_of_any_model_will_do(self, entries):
        StreamPublisher("audit").publish(Quiet.objects.create(name="q"), "seen")
        assert entries("audit")[0]["obj_type"] == "shop.quiet"

    def test_an_unsaved_instance_is_refused(self, server):
        with pytest.raises(ValueError, match="save it"):
            Order(number="A1").events.publish("paid")

    def test_an_instance_with_half_a_key_is_refused(self, server):
        with pytest.raises(ValueError, match="save it"):
            Coordinate(x=1).events.publish("seen")

    def test_what_is_rolled_back_is_not_published(self, entries):
        order = Order.objects.create(number="A1")
        with transaction.atomic():
            order.events.publish("paid")
            transaction.set_rollback(True)
        assert len(entries("orders")) == 1

    def test_goes_with_the_transaction_of_the_instances_database(self, entries):
        order = Order.objects.using("other").create(number="A1")
        with transaction.atomic(using="other"):
            order.events.publish("paid")
            assert len(entries("orders")) == 1
        assert len(entries("orders")) == 2

    def test_goes_with_the_transaction_that_is_named(self, entries):
        order = Order.objects.create(number="A1")
        with transaction.atomic(using="other"):
            order.events.publish("paid", using="other", data={})
            assert len(entries("orders")) == 1
        assert entries("orders")[1]["data"] == {}

    @pytest.mark.parametrize("in_transaction", [False, True])
    def test_through_the_outbox(self, entries, in_transaction):
        publisher = StreamPublisher("audit", via="outbox")
        quiet = Quiet.objects.create(name="q")
        with transaction.atomic() if in_transaction else contextlib.nullcontext():
            publisher.publish(quiet, "seen", data={"by": "ada"})
            assert OutboxEvent.objects.get().type == "seen"
        Relay("default").run()
        assert entries("audit")[0]["data"] == {"by": "ada"}

    def test_through_the_outbox_is_rolled_back_with_the_rest(self, server):
        publisher = StreamPublisher("audit", via="outbox")
        with transaction.atomic():
            publisher.publish(Quiet.objects.create(name="q"), "seen")
            transaction.set_rollback(True)
        assert not OutboxEvent.objects.exists()

    def test_reads_what_the_instance_does_not_hold(self, entries):
        Order.objects.create(number="A1")
        Order.objects.only("id").get().events.publish("paid")
        assert entries("orders")[1]["data"]["number"] == "A1"

    def test_does_not_wait_for_a_row_that_is_not_there(self, entries):
        Order(pk=5, number="A1").events.publish("seen")
        assert entries("orders")[0]["data"]["number"] == "A1"

    def test_an_action_has_a_name(self, server):
        with pytest.raises(ValueError, match="action"):
            Order(pk=1).events.publish("")


class TestAdd:
    def test_appends_one_payload_that_any_client_can_read(self, publisher, server):
        entry_id, obj_id = publisher.add(ORDER)
        ((found_id, fields),) = server.xrange("t:orders")
        assert (found_id.decode(), obj_id) == (entry_id, 1)
        assert json.loads(fields[b"payload"]) == ORDER
        assert uuid.UUID(fields[b"event_id"].decode())

    def test_takes_the_object_id_from_another_key(self, publisher):
        assert publisher.add({"id": 5}, id_key="id")[1] == 5

    def test_acts_at_once_even_in_a_transaction(self, publisher, entries, db):
        publisher.add(ORDER)
        assert entries("orders") == [ORDER]

    def test_raises_what_the_client_raised(self, settings):
        settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
        with pytest.raises(redis.ConnectionError):
            StreamPublisher("orders").add(ORDER)

    def test_logs_a_failure_instead_when_asked_to(self, settings, caplog):
        settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
        assert StreamPublisher("orders").add(ORDER, raise_error=False) == (None, 1)
        assert "event_not_published stream=orders obj_id=1" in caplog.text

    def test_raises_for_what_json_cannot_carry(self, publisher):
        with pytest.raises(EventEncodeError):
            publisher.add({"obj_id": object()})
        assert publisher.add({"obj_id": 2, "x": object()}, raise_error=False) == (None, 2)

    @pytest.mark.parametrize("payload", ["text", None], ids=repr)
    def test_raises_for_what_is_no_dictionary(self, publisher, payload):
        with pytest.raises(EventEncodeError, match="the payload of an event is a dictionary"):
            publisher.add(payload)
        assert publisher.add(payload, raise_error=False) == (None, None)

    def test_raises_what_redis_refused(self, publisher, server):
        server.set("t:orders", "no stream")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            publisher.add(ORDER)

    def test_is_counted_where_nobody_else_is_told(self, publisher, server, counted):
        publisher.add(ORDER)
        publisher.add({"obj_id": object()}, raise_error=False)
        server.delete("t:orders")
        server.set("t:orders", "no stream")
        publisher.add(ORDER, raise_error=False)
        assert counted() == {"published": 1, "rejected": 1, "lost": 1}

    def test_what_is_raised_is_not_counted(self, publisher, server, counted):
        server.set("t:orders", "no stream")
        for payload in (ORDER, {"obj_id": object()}):
            with pytest.raises((redis.ResponseError, EventEncodeError)):
                publisher.add(payload)
        assert counted() == {}

    def test_what_is_suppressed_is_not_counted(self, publisher, counted):
        with suppress("orders"):
            publisher.add(ORDER)
            publisher.batch_add([ORDER])
        assert counted() == {}


class TestAwaited:
    def test_aadd_is_add(self, publisher, entries):
        entry_id, obj_id = async_to_sync(publisher.aadd)({"id": 5}, id_key="id")
        assert (list(publisher.get_list()), obj_id) == ([entry_id], 5)

    def test_aadd_raises_or_logs_as_add_does(self, publisher, caplog):
        with pytest.raises(EventEncodeError):
            async_to_sync(publisher.aadd)({"obj_id": object()})
        assert async_to_sync(publisher.aadd)({"obj_id": 2, "x": object()}, raise_error=False) == (None, 2)

    def test_abatch_add_is_batch_add(self, publisher, entries):
        entry_ids, failed = async_to_sync(publisher.abatch_add)(
            iter([{"n": 1}, {"n": 2, "bad": object()}]), id_key="n"
        )
        assert (list(publisher.get_list()), failed) == (entry_ids, [2])

    def test_several_at_a_time(self, publisher, entries):
        async def add():
            await asyncio.gather(*(publisher.aadd({"obj_id": number}) for number in range(20)))

        async_to_sync(add)()
        assert sorted(event["obj_id"] for event in entries("orders")) == list(range(20))


class TestBatchAdd:
    def test_appends_in_order_and_one_bad_payload_fails_alone(self, publisher, entries):
        payloads = [{"obj_id": 1}, {"obj_id": 2, "bad": object()}, None, {"obj_id": 3}]
        entry_ids, failed = publisher.batch_add(payloads)
        assert entries("orders") == [{"obj_id": 1}, {"obj_id": 3}]
        assert list(publisher.get_list()) == entry_ids
        assert failed == [2, None]

    def test_nothing_to_add_is_no_call(self, publisher):
        assert publisher.batch_add([]) == ([], [])

    def test_without_redis_all_of_them_fail(self, settings, caplog):
        settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
        assert StreamPublisher("orders").batch_add([{"obj_id": 1}, {"obj_id": 2}]) == ([], [1, 2])
        assert caplog.text.count("event_not_published") == 2

    def test_each_is_counted(self, publisher, counted):
        publisher.batch_add([{"obj_id": 1}, {"obj_id": 2, "bad": object()}, None, {"obj_id": 3}])
        assert counted() == {"published": 2, "rejected": 2}

    def test_without_redis_all_of_them_are_counted_as_lost(self, settings, counted):
        settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
        StreamPublisher("orders").batch_add([{"obj_id": 1}, {"obj_id": 2}])
        assert counted() == {"lost": 2}


def test_get_list_gives_the_oldest_entries_decoded(publisher, server):
    publisher.batch_add([{"obj_id": number} for number in range(12)])
    assert [payload["obj_id"] for payload in publisher.get_list().values()] == list(range(10))
    assert len(publisher.get_list(msg_count=3)) == 3


def test_get_list_shows_what_is_no_event_as_empty(publisher, server):
    server.xadd("t:orders", {"payload": b"\xff"})
    server.xadd("t:orders", {"other": "x"})
    assert list(publisher.get_list().values()) == [{}, {}]
    assert StreamPublisher("nothing").get_list() == {}


def test_delete_says_whether_there_was_an_entry(publisher):
    entry_id, _ = publisher.add(ORDER)
    assert publisher.delete(entry_id) == {entry_id: 1}
    assert publisher.delete(entry_id) == {entry_id: 0}


def test_a_publisher_on_any_other_class_is_itself(publisher):
    class Service:
        events = publisher

    assert Service().events is publisher


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"stream": ""}, "non-empty"),
        ({"stream": "orders", "fields": "number"}, r"fields=\['number'\]"),
        ({"stream": "orders", "fields": 5}, "not a list of names"),
        ({"stream": "orders", "fields": ["number", None]}, "something else than names"),
        ({"stream": "orders", "actions": ["saved"]}, "publish"),
    ],
)
def test_a_declaration_that_cannot_work_raises_where_it_stands(arguments, reason):
    with pytest.raises(ConfigurationError, match=reason):
        StreamPublisher(**arguments)
