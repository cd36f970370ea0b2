"""The verbs of one stream and group, on a real server and in every reply shape of the client."""

import pytest
import redis

from stream_events.conf import Settings, get_settings
from stream_events.connections import make_client
from stream_events.consuming.group import Group, follows
from stream_events.exceptions import ConfigurationError

KEY = "t:orders"
SHAPES = [
    {},
    {"protocol": 2},
    {"protocol": 3},
    {"legacy_responses": False},
    {"protocol": 2, "legacy_responses": False},
]


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


def make_group(consumer="one", shape=None, name="billing"):
    url = get_settings().url
    client = make_client(Settings(url=url, options=shape or {}), timeout=5, client_name=consumer)
    return Group(KEY, name, consumer, reader=client, client=client)


def add(server, count):
    return [server.xadd(KEY, {"payload": f"{number}"}).decode() for number in range(count)]


def pending(server):
    return {one["message_id"].decode(): one for one in server.xpending_range(KEY, "billing", "-", "+", 1000)}


def test_reads_the_same_entries_whatever_the_client_makes_of_replies(server, shape):
    group = make_group(shape=shape)
    group.ensure()
    assert group.read(10, None) == []
    ids = add(server, 3)
    entries = group.read(2, 0.1)
    assert [(entry.entry_id, entry.fields, entry.delivery_count) for entry in entries] == [
        (ids[0], {b"payload": b"0"}, 1),
        (ids[1], {b"payload": b"1"}, 1),
    ]


def test_claims_what_was_idle_with_its_delivery_count(server, shape):
    make_group("dead").ensure()
    ids = add(server, 3)
    make_group("dead").read(2, None)
    cursor, entries = make_group("living", shape).claim(0, 10, "0-0")
    assert cursor == "0-0"
    assert [(entry.entry_id, entry.fields, entry.delivery_count) for entry in entries] == [
        (ids[0], {b"payload": b"0"}, 2),
        (ids[1], {b"payload": b"1"}, 2),
    ]
    assert make_group("another").claim(60, 10, "0-0") == ("0-0", [])


def test_delivery_counts_are_those_of_the_claimed_entries(server):
    make_group("dead").ensure()
    ids = add(server, 5)
    make_group("dead").read(5, None)
    server.xclaim(KEY, "billing", "dead", 0, [ids[4]], idle=99_000, retrycount=7, justid=True)
    server.xclaim(KEY, "billing", "dead", 0, [ids[0]], idle=99_000, retrycount=3, justid=True)
    _, entries = make_group("living").claim(60, 10, "0-0")
    assert [(entry.entry_id, entry.delivery_count) for entry in entries] == [(ids[0], 4), (ids[4], 8)]


def test_a_trimmed_entry_is_no_entry_to_claim(server, shape):
    make_group("dead").ensure()
    add(server, 2)
    make_group("dead").read(2, None)
    server.xtrim(KEY, maxlen=1, approximate=False)
    _, entries = make_group("living", shape).claim(0, 10, "0-0")
    assert [entry.fields for entry in entries] == [{b"payload": b"1"}]


def test_acknowledges_many_in_one_command(server):
    group = make_group()
    group.ensure()
    ids = add(server, 700)
    group.read(700, None)
    group.ack(ids)
    assert server.xpending(KEY, "billing")["pending"] == 0
    group.ack([])
    group.ack(ids[:1])


def test_entries_handed_back_are_idle_at_once_and_have_lost_no_delivery(server):
    group = make_group()
    group.ensure()
    add(server, 3)
    new = group.read(2, None)
    group.hand_back(new[:1], idle=900)
    _, again = make_group("next").claim(900, 10, "0-0")
    assert [(entry.entry_id, entry.delivery_count) for entry in again] == [(new[0].entry_id, 1)]
    _, taken = make_group("another").claim(0, 10, "0-0")
    make_group("another").hand_back(taken, idle=900)
    assert {one["times_delivered"] for one in pending(server).values()} == {1}


def test_handing_back_takes_nothing_from_another_consumer(server):
    make_group("slow").ensure()
    add(server, 2)
    held = make_group("slow").read(2, None)
    make_group("fast").claim(0, 1, "0-0")
    make_group("slow").hand_back(held, idle=900)
    rows = pending(server)
    assert [(rows[one.entry_id]["consumer"], rows[one.entry_id]["times_delivered"]) for one in held] == [
        (b"fast", 2),
        (b"slow", 0),
    ]
    assert rows[held[0].entry_id]["time_since_delivered"] < 900_000


def test_removes_idle_consumers_that_hold_nothing(server):
    group = make_group("one")
    group.ensure()
    add(server, 2)
    make_group("holds").read(1, None)
    make_group("done").ack([entry.entry_id for entry in make_group("done").read(1, None)])
    group.remove_idle(60)
    assert len(server.xinfo_consumers(KEY, "billing")) == 2
    group.remove_idle(-1)
    assert [one["name"] for one in server.xinfo_consumers(KEY, "billing")] == [b"holds"]


def test_a_group_begins_where_it_is_told_and_is_never_moved(server):
    ids = add(server, 3)
    assert make_group().ensure(ids[0]) is True
    assert make_group().ensure("0") is False
    assert [entry.entry_id for entry in make_group().read(10, None)] == ids[1:]


def test_a_new_group_is_made_with_its_stream(server):
    assert make_group().ensure() is True
    assert server.type(KEY) == b"stream"
    assert make_group().last_id() == "0-0"


def test_a_key_of_another_type_is_named(server):
    server.set(KEY, "text")
    with pytest.raises(ConfigurationError, match=r"'t:orders' exists and is not a stream"):
        make_group().ensure()


def test_a_start_that_is_no_id_is_named(server):
    with pytest.raises(ConfigurationError, match="'yesterday'"):
        make_group().ensure("yesterday")


def test_leaving_removes_a_consumer_that_holds_nothing(server):
    group = make_group()
    group.ensure()
    add(server, 1)
    (entry,) = group.read(1, None)
    assert group.leave() is False
    group.ack([entry.entry_id])
    assert group.leave() is True
    assert group.leave() is True
    assert server.xinfo_consumers(KEY, "billing") == []


def test_waking_ends_a_read_that_waits(server):
    import threading

    from tests.conftest import wait_for

    group = make_group("sleeper")
    group.ensure()
    answers = []
    reader = threading.Thread(target=lambda: answers.append(group.read(1, 30)))
    reader.start()
    wait_for(lambda: any(one["cmd"] == "xreadgroup" for one in server.client_list()), "a read that waits")
    make_group("sleeper").wake()
    reader.join(5)
    assert answers == [[]]


def test_counts_what_the_whole_group_holds(server):
    make_group().ensure()
    add(server, 3)
    make_group("one").read(2, None)
    make_group("two").read(1, None)
    assert make_group("three").pending_count() == 3


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("2-0", "1-9", True), ("1-10", "1-9", True), ("1-1", "1-1", False), ("10-0", "9-0", True), ("1", "0-5", True)],
)
def test_ids_are_compared_by_number(one, other, expected):
    assert follows(one, other) is expected


def test_the_servers_errors_pass_through(server):
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        make_group().read(1, None)
