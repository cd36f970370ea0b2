"""Publishing without models, and without Django being configured."""

import json
import socket

import pytest
import redis
from django.conf import settings

from stream_events.clients import EventsPublisher
from stream_events.exceptions import ConfigurationError, EventEncodeError
from tests.test_public_api import run_python

EVENT = {"obj_id": 7, "obj_type": "shop.order", "action": "create"}


@pytest.fixture
def publisher(server):
    with EventsPublisher("orders", url=settings.STREAM_EVENTS["URL"]) as publisher:
        yield publisher


def test_appends_an_event_and_returns_both_ids(publisher, entries):
    entry_id, obj_id = publisher.add(EVENT)
    assert obj_id == 7
    assert publisher.get_list() == {entry_id: EVENT}
    assert entries("orders") == [EVENT]


def test_of_several_events_a_bad_one_fails_alone(publisher, entries):
    added, failed = publisher.batch_add([EVENT, {**EVENT, "obj_id": 8, "data": object()}, {**EVENT, "obj_id": 9}])
    assert (len(added), failed) == (2, [8])
    assert [one["obj_id"] for one in entries("orders")] == [7, 9]


def test_deletes_an_entry(publisher):
    entry_id, _ = publisher.add(EVENT)
    assert publisher.delete(entry_id) == {entry_id: 1}
    assert publisher.delete(entry_id) == {entry_id: 0}


def test_what_json_cannot_carry_is_raised_before_anything_is_sent(publisher, server):
    with pytest.raises(EventEncodeError, match="not JSON serializable"):
        publisher.add({**EVENT, "data": object()})
    assert server.dbsize() == 0


def test_a_server_that_is_away_is_an_error_or_no_id_as_one_wishes():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    publisher = EventsPublisher("orders", url=f"redis://127.0.0.1:{port}/0")
    with pytest.raises(redis.ConnectionError):
        publisher.add(EVENT)
    assert publisher.add(EVENT, raise_error=False) == (None, 7)
    assert publisher.batch_add([EVENT]) == ([], [7])


def test_a_name_that_can_be_no_stream_is_refused():
    with pytest.raises(ConfigurationError, match="non-empty string"):
        EventsPublisher("")


def test_needs_no_django_settings(server):
    done = run_python(
        "from stream_events.clients import EventsPublisher\n"
        f"publisher = EventsPublisher('orders', url={settings.STREAM_EVENTS['URL']!r})\n"
        f"print(publisher.batch_add([{EVENT!r}])[1], publisher.add({EVENT!r})[1])"
    )
    assert done.stdout == "[] 7\n", done.stderr
    assert [json.loads(fields[b"payload"]) for _, fields in server.xrange("orders")] == [EVENT, EVENT]
