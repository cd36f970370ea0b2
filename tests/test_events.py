import json
from datetime import UTC, datetime

import pytest

from stream_events import Event
from stream_events.events import Entry, entry_time
from stream_events.exceptions import EventDecodeError


def decode(fields, **options):
    return Event.from_entry(Entry("1700000000000-1", fields, **options), stream="orders", group="billing")


def test_reads_what_a_publisher_wrote():
    payload = {"obj_id": 7, "obj_type": "shop.order", "action": "update", "data": {"a": 1}, "changed": ["a"], "x": 2}
    event = decode({b"payload": json.dumps(payload).encode(), b"event_id": b"e1", b"trace": b"t"}, delivery_count=3)
    assert (event.stream, event.group, event.entry_id) == ("orders", "billing", "1700000000000-1")
    assert (event.obj_id, event.obj_type, event.action) == (7, "shop.order", "update")
    assert (event.data, event.changed, event.previous, event.version) == ({"a": 1}, ["a"], None, None)
    assert event.payload["x"] == 2
    assert event.headers == {"event_id": "e1", "trace": "t"}
    assert (event.event_id, event.delivery_count) == ("e1", 3)


def test_an_entry_that_has_only_a_payload_is_an_event():
    event = decode({b"payload": b'{"obj_id": 1}'})
    assert event.event_id == "orders/1700000000000-1"
    assert (event.obj_type, event.action, event.data) == ("", "", {})
    assert event.occurred_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        (b"2024-05-01T12:00:00+02:00", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        (b"2024-05-01T12:00:00", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (b"yesterday", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
    ],
)
def test_occurred_at_is_aware_and_falls_back_to_the_entry(stated, moment):
    assert decode({b"payload": b"{}", b"occurred_at": stated}).occurred_at == moment


def test_values_of_other_types_than_text_name_no_type_and_no_action():
    event = decode({b"payload": b'{"obj_type": ["x"], "action": 5}'})
    assert (event.obj_type, event.action) == ("", "")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "has no field"),
        ({b"other": b"1"}, "has no field"),
        ({b"payload": b"{"}, "is not JSON"),
        ({b"payload": b"\xff\xfe"}, "is not JSON"),
        ({b"payload": b"[1]"}, "is not a JSON object"),
        ({b"payload": b"[" * 100_000}, "nested too deeply"),
    ],
)
def test_says_why_an_entry_is_no_event(fields, reason):
    with pytest.raises(EventDecodeError, match=reason) as caught:
        decode(fields)
    assert "1700000000000-1" in str(caught.value)


def test_an_event_cannot_be_changed():
    with pytest.raises(AttributeError):
        decode({b"payload": b"{}"}).stream = "other"


def test_an_id_beyond_the_calendar_has_a_time_nevertheless():
    assert entry_time("99999999999999999-0").year == 9999


@pytest.mark.django_db
class TestGetObject:
    def event(self, **payload):
        return decode({b"payload": json.dumps(payload).encode()})

    def test_finds_the_instance(self, server):
        from tests.shop.models import Quiet

        quiet = Quiet.objects.create(name="q")
        assert self.event(obj_id=quiet.pk, obj_type="shop.quiet").get_object() == quiet

    def test_finds_an_instance_with_a_composite_key(self, server, entries):
        from tests.shop.models import Coordinate

        point = Coordinate.objects.create(x=1, y=2)
        assert self.event(obj_id=[1, 2], obj_type="shop.coordinate").get_object() == point

    @pytest.mark.parametrize("obj_id", ["no number", [1], {}, None])
    def test_is_none_for_a_key_that_the_model_cannot_have(self, obj_id):
        assert self.event(obj_id=obj_id, obj_type="shop.quiet").get_object() is None

    @pytest.mark.parametrize("obj_type", ["shop.quiet", "shop.unknown", "elsewhere.thing", "", "no_dot"])
    def test_is_none_when_the_row_or_the_model_is_not_here(self, obj_type):
        assert self.event(obj_id=404, obj_type=obj_type).get_object() is None
