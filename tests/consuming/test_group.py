"""The verbs of one stream and group, on a real server and in every reply shape of the client."""

import threading

import pytest
import redis

from stream_events.conf import Settings, get_settings
from stream_events.connections import make_client
from stream_events.consuming.clients import Clients
from stream_events.consuming.group import Group, Settled, Verdict
from stream_events.consuming.replies import follows, is_group_gone
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError
from stream_events.keys import group_keys, requeue_keys
from tests.conftest import wait_for

KEYS = group_keys("orders", "billing", "t:")
KEY = KEYS.stream
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


def make_group(consumer="one", shape=None, keys=KEYS, **options):
    url = get_settings().url
    client = make_client(Settings(url=url, options=shape or {}), timeout=5, client_name=consumer)
    return Group(keys, "billing", consumer, Clients(client, client), **options)


def add(server, count, key=KEY):
    return [server.xadd(key, {"payload": f"{number}"}).decode() for number in range(count)]


def rows(server, key=KEY):
    """What is pending: id → (owner, delivery count)."""
    found = server.xpending_range(key, "billing", "-", "+", 1000)
    return {one["message_id"].decode(): (one["consumer"].decode(), one["times_delivered"]) for one in found}


def read(server, count, consumer="one", shape=None):
    group = make_group(consumer, shape)
    group.ensure()
    add(server, count)
    return group, group.read(count, None)


def wait(group, entry, delay=0.0, **changes):
    return group.settle(entry, Verdict(delay=delay, **{"delivery_count": entry.delivery_count, **changes}))


def bury(group, entry, **changes):
    return group.settle(entry, Verdict([{"dead_reason": "rejected"}], **changes))


def again(entry, **changes):
    return entry._replace(fields={}, is_new=False, **changes)


def test_reads_the_same_entries_whatever_the_client_makes_of_replies(server, shape):
    group = make_group(shape=shape)
    group.ensure()
    assert group.read(10, None) == []
    ids = add(server, 3)
    assert group.read(2, 0.1) == [Entry(ids[0], {b"payload": b"0"}), Entry(ids[1], {b"payload": b"1"})]


def test_starting_fetches_an_entry_and_counts(server, shape):
    group, (entry,) = read(server, 1, shape=shape)
    assert group.start(again(entry)) == (Entry(entry.entry_id, {b"payload": b"0"}, 2, False), b"")
    assert rows(server) == {entry.entry_id: ("one", 2)}


def test_what_somebody_else_has_taken_is_not_started(server):
    _, (entry,) = read(server, 1)
    assert make_group("two").start(again(entry)) is None
    assert rows(server) == {entry.entry_id: ("one", 1)}


def test_starting_a_trimmed_entry_acknowledges_it(server, shape):
    group, entries = read(server, 2, shape=shape)
    server.xtrim(KEY, maxlen=1, approximate=False)
    found = group.start(again(entries[0]))
    assert found is not None
    assert found[0].fields == {}
    assert list(rows(server)) == [entries[1].entry_id]


def test_peeking_starts_nothing(server):
    group, entries = read(server, 2)
    server.xdel(KEY, entries[1].entry_id)
    assert [entry.fields for entry in group.peek([again(entry) for entry in entries])] == [{b"payload": b"0"}, {}]
    assert {count for _, count in rows(server).values()} == {1}


def test_waiting_entries_have_an_owner_and_a_due_time(server, shape):
    group, entries = read(server, 2, shape=shape)
    assert wait(group, entries[0], 60) is Settled.DONE
    assert rows(server)[entries[0].entry_id] == ("~retry", 1)
    found = group.due(10)
    assert found.entries == []
    assert 59 < found.wait <= 60
    assert found.waiting == 1


def test_what_is_handed_back_is_due_at_once_in_its_order_as_if_never_read(server, shape):
    group, entries = read(server, 30, shape=shape)
    assert group.hand_back(entries) == []
    found = make_group("two", shape).due(100)
    assert found.entries == [again(entry, delivery_count=0) for entry in entries]
    assert found.has_requeued is False
    assert set(rows(server).values()) == {("two", 0)}


def test_the_due_time_stays_while_the_entry_is_in_hand_and_goes_with_it(server):
    group, (entry,) = read(server, 1)
    wait(group, entry)
    assert len(group.due(10).entries) == 1
    assert server.zcard(KEYS.retry) == 1
    assert group.due(10).entries == []
    group.finish([entry.entry_id])
    assert not server.exists(KEYS.retry)


def test_settling_takes_nothing_from_another_consumer_and_is_safe_to_repeat(server):
    slow, (entry,) = read(server, 1, "slow")
    server.xclaim(KEY, "billing", "fast", 0, [entry.entry_id])
    assert wait(slow, entry) is Settled.LOST
    assert slow.hand_back([entry]) == []
    assert rows(server) == {entry.entry_id: ("fast", 2)}
    fast = make_group("fast")
    assert wait(fast, entry._replace(delivery_count=2), 60) is Settled.DONE
    assert wait(fast, entry._replace(delivery_count=2), 60) is Settled.LOST
    assert server.zcard(KEYS.retry) == 1


def test_an_old_count_settles_nothing(server):
    group, (entry,) = read(server, 1)
    group.start(again(entry))
    assert wait(group, entry) is Settled.LOST
    assert bury(group, entry) is Settled.LOST
    group.hand_back([entry])
    assert rows(server) == {entry.entry_id: ("one", 2)}


def test_a_trimmed_entry_is_named_and_left(server):
    group, entries = read(server, 2)
    server.xdel(KEY, entries[0].entry_id)
    assert wait(group, entries[0], 60) is Settled.TRIMMED
    assert group.hand_back(entries) == [entries[0].entry_id]
    assert rows(server)[entries[0].entry_id] == ("one", 1)


def test_due_entries_that_were_trimmed_are_named(server):
    group, entries = read(server, 1)
    wait(group, entries[0])
    server.xtrim(KEY, maxlen=0, approximate=False)
    found = group.due(10)
    gone = found.trimmed or [entry.entry_id for entry in found.entries if group.start(entry)[0].fields == {}]
    assert gone == [entries[0].entry_id]
    assert rows(server) == {}


def test_due_times_of_acknowledged_entries_mean_nothing(server):
    group, (entry,) = read(server, 1)
    wait(group, entry)
    server.xack(KEY, "billing", entry.entry_id)
    assert group.due(10).entries == []
    assert not server.exists(KEYS.retry)


def test_waiting_entries_without_a_due_time_are_mended(server):
    group, entries = read(server, 3)
    for entry in entries:
        wait(group, entry, 60)
    server.zrem(KEYS.retry, entries[1].entry_id)
    group.mend_waiting()
    assert [entry.entry_id for entry in group.due(10).entries] == [entries[1].entry_id]


def test_what_waited_in_a_lost_group_waits_in_the_new_one(server):
    group, entries = read(server, 3)
    wait(group, entries[0], 60)
    wait(group, entries[1])
    group.due(10)  # the second one is in hand
    server.xgroup_destroy(KEY, "billing")
    assert group.ensure(entries[2].entry_id, keep_waiting=True) is True
    found = [entry.entry_id for entry in group.due(10).entries]
    assert found == [entries[0].entry_id, entries[1].entry_id]
    assert not server.exists(KEYS.lost)


def test_a_dead_letter_keeps_every_field_and_says_why(server, shape):
    group = make_group(shape=shape)
    group.ensure()
    server.xadd(KEY, {"payload": b"\xff\xfe", "event_id": "e1"})
    (entry,) = group.read(1, None)
    letter = {"dead_reason": "rejected", "dead_delivery_count": 1}
    assert group.settle(entry, Verdict([letter])) is Settled.DONE
    ((_, fields),) = server.xrange(KEYS.dead)
    assert fields == {
        b"payload": b"\xff\xfe",
        b"event_id": b"e1",
        b"dead_reason": b"rejected",
        b"dead_delivery_count": b"1",
    }
    assert rows(server) == {}


def test_an_entry_is_buried_once_and_by_its_owner_only(server):
    group, (entry,) = read(server, 1)
    assert bury(make_group("two"), entry) is Settled.LOST
    assert bury(group, entry) is Settled.DONE
    assert bury(group, entry) is Settled.LOST
    assert server.xlen(KEYS.dead) == 1


def test_dead_letters_of_some_handlers_and_the_wait_of_others_are_one_step(server):
    group, (entry,) = read(server, 1)
    verdict = Verdict([{"dead_handler": "a"}, {"dead_handler": "b"}], 0.0, 1, b"state")
    assert group.settle(entry, verdict) is Settled.DONE
    assert [fields[b"dead_handler"] for _, fields in server.xrange(KEYS.dead)] == [b"a", b"b"]
    (due,) = group.due(10).entries
    assert group.start(due)[1] == b"state"
    group.finish([entry.entry_id])
    assert rows(server) == {}
    assert not server.exists(KEYS.progress, KEYS.retry)


def test_nothing_is_written_when_a_dead_letter_is_refused(server):
    group, (entry,) = read(server, 1)
    server.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.OutOfMemoryError):
            bury(group, entry)
        assert wait(group, entry, 60) is Settled.DONE  # which needs no memory that is refused
    finally:
        server.config_set("maxmemory", "0")
    assert not server.exists(KEYS.dead)
    assert rows(server) == {entry.entry_id: ("~retry", 1)}


def test_a_trimmed_entry_is_buried_with_the_fields_in_hand(server):
    group, (entry,) = read(server, 1)
    server.xtrim(KEY, maxlen=0, approximate=False)
    assert bury(group, entry) is Settled.TRIMMED
    assert group.settle(entry, Verdict([{"dead_reason": "trimmed"}]), is_trimmed=True) is Settled.DONE
    ((_, fields),) = server.xrange(KEYS.dead)
    assert fields == {b"payload": b"0", b"dead_reason": b"trimmed"}
    assert rows(server) == {}


def test_more_fields_than_a_command_can_take_become_one(server):
    group = make_group()
    group.ensure()
    server.xadd(KEY, {f"f{number}": "ä" for number in range(5000)})
    (entry,) = group.read(1, None)
    assert bury(group, entry) is Settled.DONE
    ((_, fields),) = server.xrange(KEYS.dead)
    assert set(fields) == {b"dead_fields", b"dead_reason"}
    assert fields[b"dead_fields"].startswith("2:f02:ä2:f12:ä".encode())


def test_addressed_entries_are_deleted_when_they_are_done_with(server):
    keys = requeue_keys("orders", "billing", "t:")
    group = make_group(keys=keys, addressed=True)
    add(server, 3, keys.stream)
    server.xgroup_create(keys.stream, "billing", id="0")
    first, second, third = group.read(3, None)
    group.ack([first.entry_id])
    assert server.xlen(keys.stream) == 2
    bury(group, second)
    group.finish([third.entry_id])
    assert not server.exists(keys.stream)
    assert server.xlen(KEYS.dead) == 1


def test_acknowledges_many_in_one_command(server):
    group, entries = read(server, 700)
    ids = [entry.entry_id for entry in entries]
    group.ack(ids)
    assert rows(server) == {}
    group.ack([])
    group.ack(ids[:1])


def test_knows_what_is_its_own(server):
    group, entries = read(server, 3)
    ids = [entry.entry_id for entry in entries]
    server.xclaim(KEY, "billing", "two", 0, [ids[1]])
    assert group.owned(ids) == {ids[0], ids[2]}
    place, own = group.own_pending()
    assert place == ""
    assert own == [again(entries[0]), again(entries[2])]


def test_own_entries_come_in_pages(server):
    group, entries = read(server, 700)
    place, first = group.own_pending()
    assert len(first) == 500
    assert group.own_pending(place) == ("", [again(entry) for entry in entries[500:]])


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


def test_waking_ends_a_read_that_waits(server):
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
    read(server, 2, "one")
    read(server, 1, "two")
    assert make_group("three").pending_count() == 3


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("2-0", "1-9", True), ("1-10", "1-9", True), ("1-1", "1-1", False), ("10-0", "9-0", True), ("1", "0-5", True)],
)
def test_ids_are_compared_by_number(one, other, expected):
    assert follows(one, other) is expected


ENTRY = Entry("1-1", {b"payload": b"1"})


@pytest.mark.parametrize(
    "verb",
    [
        lambda group: group.read(1, None),
        lambda group: group.start(again(ENTRY)),
        lambda group: wait(group, ENTRY),
        lambda group: group.hand_back([ENTRY]),
        lambda group: group.owned(["1-1"]),
        lambda group: group.mend_waiting(),
    ],
)
def test_a_group_that_is_gone_is_told_by_every_verb(server, verb):
    with pytest.raises(redis.ResponseError) as caught:
        verb(make_group())
    assert is_group_gone(caught.value)


def test_due_times_outlive_the_group(server):
    group, (entry,) = read(server, 1)
    wait(group, entry)
    server.xgroup_destroy(KEY, "billing")
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        group.due(10)
    assert server.zcard(KEYS.retry) == 1
