"""Where a regular consumer remembers how far it has come."""

import json

import pytest
from django.conf import settings

from stream_events.conf import settings_for
from stream_events.connections import command_client
from stream_events.consuming.clients import Clients
from stream_events.consuming.feed import Feed
from stream_events.consuming.position import FilePosition, KeyPosition, MemoryPosition, position_from
from stream_events.exceptions import ConfigurationError


@pytest.fixture
def feed(server):
    client = command_client(settings_for(settings.STREAM_EVENTS["URL"]))
    feed = Feed("orders", "test", Clients(client, client), "t:")
    yield feed
    feed.close()


@pytest.fixture(params=["memory", "file", "key"])
def position(request, tmp_path):
    return {
        "memory": MemoryPosition(),
        "file": FilePosition(tmp_path / "orders.position"),
        "key": KeyPosition("dashboard"),
    }[request.param]


def test_remembers_nothing_at_first_and_then_the_last_id(feed, position):
    assert position.load(feed) is None
    position.save(feed, "5-0")
    position.save(feed, "7-3")
    assert position.load(feed) == "7-3"


def test_the_key_lies_beside_the_stream(feed, server):
    KeyPosition("dashboard").save(feed, "5-0")
    assert server.get("{t:orders}:~position:dashboard") == b"5-0"


def test_a_key_that_holds_no_id_is_named(feed, server):
    server.set("{t:orders}:~position:dashboard", "yesterday")
    with pytest.raises(ConfigurationError, match=r"~position:dashboard' is 'yesterday', which is no entry id"):
        KeyPosition("dashboard").load(feed)


def test_a_key_of_another_type_is_named(feed, server):
    server.sadd("{t:orders}:~position:dashboard", "5-0")
    with pytest.raises(ConfigurationError, match="holds no position"):
        KeyPosition("dashboard").load(feed)


@pytest.mark.parametrize("name", ["", "a:b", "{a}", "a b", "~a", None])
def test_a_name_that_no_key_can_carry_is_refused(name):
    with pytest.raises(ConfigurationError, match="A position's name"):
        KeyPosition(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5-0",
        "[]",
        "{}",
        '{"stream": "t:orders"}',
        '{"stream": "t:orders", "entry_id": ""}',
        '{"stream": "t:orders", "entry_id": 5}',
        '{"stream": "t:orders", "entry_id": "5-0-1"}',
        '{"stream": "t:orders", "entry_id": "18446744073709551616-0"}',
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(feed, tmp_path, text):
    path = tmp_path / "orders.position"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"orders\.position.* Delete it to begin anew"):
        FilePosition(path).load(feed)


def test_the_file_of_another_stream_is_refused(feed, tmp_path):
    path = tmp_path / "position"
    path.write_text(json.dumps({"stream": "t:users", "entry_id": "5-0"}))
    with pytest.raises(ConfigurationError, match=r"'t:users', not 't:orders'"):
        FilePosition(path).load(feed)


def test_an_id_without_its_second_part_is_the_first_of_its_millisecond(feed, server):
    server.set("{t:orders}:~position:dashboard", "5")
    assert KeyPosition("dashboard").load(feed) == "5-0"


@pytest.mark.parametrize(
    ("text", "position"), [("file:a:b", FilePosition("a:b")), ("key:dashboard", KeyPosition("dashboard"))]
)
def test_a_position_in_words(text, position):
    assert position_from(text) == position


def test_memory_in_words():
    assert isinstance(position_from("memory"), MemoryPosition)


@pytest.mark.parametrize("text", ["", "memory:", "file:", "key:", "key:a b", "redis"])
def test_words_that_name_no_position_are_refused(text):
    with pytest.raises(ConfigurationError, match="position"):
        position_from(text)
