"""Appending events again."""

import json

import pytest

from stream_events.exceptions import ConfigurationError
from stream_events.operations.plans import Level, Limit, Order, plan
from tests.operations.acting import (
    KEY,
    KEYS,
    begin,
    bury,
    do,
    finish,
    finish_whatever_happens,
    make_group,
    order,
    publish,
    reasons,
)


def replay(ids=(), **details):
    return do("replay", ids, **{"group": "", **details})


def last(server, count=1):
    return [fields for _, fields in reversed(server.xrevrange(KEY, count=count))]


def test_an_entry_is_appended_as_the_event_that_it_was(server):
    ids = publish(3)
    progress = replay(ids[:2])
    assert progress.report() == "2 appended again"
    assert server.xlen(KEY) == 5
    old, new = server.xrange(KEY)[0], server.xrange(KEY)[3]
    assert new[1][b"event_id"] == old[1][b"event_id"]
    assert new[1][b"payload"] == old[1][b"payload"]
    assert new[1][b"occurred_at"].startswith(b"20")


def test_an_entry_of_others_gets_the_identity_that_handlers_knew(server):
    server.xadd(KEY, {"payload": "{}", "occurred_at": "2026-01-01"}, id="1700000000000-7")
    replay(["1700000000000-7"])
    (fields,) = last(server)
    assert fields[b"event_id"] == b"orders/1700000000000-7"
    assert fields[b"occurred_at"] == b"2026-01-01"


def test_when_it_happened_is_taken_from_its_id(server):
    server.xadd(KEY, {"payload": "{}"}, id="1700000000123-0")
    replay(["1700000000123-0"])
    assert last(server)[0][b"occurred_at"] == b"2023-11-14T22:13:20.123000+00:00"


def test_dead_letters_are_appended_without_their_reasons_and_stay(server):
    ids = bury(server, 2, requeued_history="[]", requeued_handler="a")
    assert do("replay", ids).done == 2
    assert server.xlen(KEYS.dead) == 2
    (fields,) = last(server)
    assert set(fields) == {b"payload", b"event_id", b"occurred_at"}
    assert fields[b"occurred_at"] == b"2023-11-14T22:13:20+00:00"


def test_what_was_trimmed_is_skipped(server):
    ids = publish(2)
    server.xdel(KEY, ids[0])
    progress = replay(ids)
    assert (progress.done, reasons(progress)) == (1, {ids[0]: "not there any more"})


def test_a_dead_letter_without_its_fields_is_skipped(server):
    letter_id = server.xadd(KEYS.dead, {"dead_reason": "trimmed"}).decode()
    assert reasons(do("replay", [letter_id])) == {letter_id: "its payload was deleted; acknowledge it instead"}


def test_everything_ends_with_what_was_there(server):
    publish(250)
    progress = finish(begin("replay", where={}, group=""), limit=Limit(rows=70))
    assert (progress.done, progress.scanned, progress.total) == (250, 250, 250)
    assert server.xlen(KEY) == 500


def test_dead_letters_that_match(server):
    bury(server, 3, error="ValueError: x")
    bury(server, 2, error="KeyError: x")
    assert do("replay", where={"error": "KeyError"}).done == 2


def test_the_plan_names_the_groups_and_what_to_type(server):
    ids = publish(2)
    make_group(server)
    make_group(server, "search")
    found = plan(order("replay", ids, group=""))
    assert "sees them: billing, search." in found.consequence
    assert "once=True" in found.consequence
    assert (found.summary, found.level) == ("Append 2 events again to orders.", Level.CONFIRM)
    assert (found.name, found.permission) == ("orders", "stream_events.replay_stream")
    assert plan(order("replay", where={"since": ids[0]}, group="")).level is Level.TYPE_NAME
    assert plan(order("replay", where={}, group="")).level is Level.CONFIRM
    publish(1000)
    assert plan(order("replay", where={}, group="")).level is Level.TYPE_NAME


def test_entries_have_fewer_filters_than_dead_letters(server):
    with pytest.raises(ConfigurationError, match="It has: since, until"):
        plan(order("replay", where={"error": "ValueError"}, group=""))


def test_large_events_are_appended_in_parts(server):
    payload = json.dumps({"text": "x" * 400_000})
    ids = [server.xadd(KEY, {"payload": payload}).decode() for _ in range(6)]
    assert replay(ids).done == 6
    assert server.xlen(KEY) == 12


def test_too_many_fields_are_a_reason(server):
    entry_id = server.xadd(KEY, {f"f{number}": "x" for number in range(1100)}).decode()
    assert reasons(replay([entry_id])) == {entry_id: "it has too many fields"}


def test_at_maxmemory_nothing_is_appended(server):
    ids = publish(1)
    progress = begin("replay", ids, group="")
    server.config_set("maxmemory", 1)
    try:
        assert reasons(finish(progress)) == {ids[0]: "Redis is out of memory (maxmemory)"}
    finally:
        server.config_set("maxmemory", 0)


def test_the_same_order_appends_once_however_often_it_is_performed(server):
    planned = Order.load(plan(order("replay", publish(3), group="")).order.dump())
    again = type(begin("replay", ["1-1"], group=""))(order=planned)
    assert finish(again).done == 3
    assert finish(again).done == 3
    assert server.xlen(KEY) == 6
    assert replay([server.xrange(KEY)[0][0].decode()]).done == 1
    assert server.xlen(KEY) == 7


def test_a_slice_whose_reply_was_lost_appends_once(server, proxy):
    publish(300)
    progress = begin("replay", where={}, group="")
    proxy.drop("EVALSHA", 2)
    assert finish_whatever_happens(progress).done == 300
    assert proxy.dropped == ["EVALSHA"]
    events = [fields[b"event_id"] for _, fields in server.xrange(KEY)]
    assert events[:300] == events[300:]
