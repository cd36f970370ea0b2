"""Who is in a group, and what becomes of the entries of the dead."""

import pytest

from stream_events.consuming.mark import Mark
from stream_events.consuming.roster import Roster
from tests.consuming.test_group import KEY, KEYS, add, make_group, read, rows


def members(roster):
    return {member.name: member for member in roster.others()}


def test_the_others_are_seen_with_their_leases(server):
    read(server, 2, "living")
    read(server, 1, "dead")
    read(server, 1, "foreign")
    Roster(make_group("living")).renew(30)
    server.zadd(KEYS.consumers, {"dead": 1, "long gone": 1})
    seen = members(Roster(make_group("me")))
    assert {name: member.pending for name, member in seen.items()} == {
        "living": 2,
        "dead": 1,
        "foreign": 1,
        "long gone": 0,
    }
    assert 29 < seen["living"].lease <= 30
    assert seen["dead"].lease < 0
    assert seen["foreign"].lease is None


def test_nothing_is_adopted_from_the_living(server):
    group, _ = read(server, 2, "living")
    Roster(group).renew(30)
    assert Roster(make_group("me")).adopt("living", 10, 0) == ("", [], [])
    assert {owner for owner, _ in rows(server).values()} == {"living"}


def test_entries_of_the_dead_are_adopted_page_by_page_without_counting(server):
    _, entries = read(server, 5, "dead")
    server.zadd(KEYS.consumers, {"dead": 1})
    roster = Roster(make_group("me"))
    place, first, _ = roster.adopt("dead", 3, 900)
    assert [entry.entry_id for entry in first] == [entry.entry_id for entry in entries[:3]]
    assert all(entry.is_suspect and entry.was_only_read and entry.starts == 0 for entry in first)
    place, rest, _ = roster.adopt("dead", 3, 900, place)
    assert (place, len(rest)) == ("", 2)
    assert set(rows(server).values()) == {("me", 1)}


def test_one_that_was_started_again_keeps_its_count(server):
    group, (entry,) = read(server, 1, "dead")
    group.start(entry._replace(fields={}, is_new=False))
    server.zadd(KEYS.consumers, {"dead": 1})
    _, (adopted,), _ = Roster(make_group("me")).adopt("dead", 3, 900)
    assert (adopted.delivery_count, adopted.was_only_read, adopted.starts) == (2, False, 2)


def test_another_programs_entries_are_adopted_when_they_were_left_alone_for_long_enough(server):
    read(server, 1, "foreign")
    roster = Roster(make_group("me"))
    assert roster.adopt("foreign", 10, 60)[1] == []
    assert len(roster.adopt("foreign", 10, 0)[1]) == 1


def test_trimmed_entries_are_named(server):
    _, entries = read(server, 2, "dead")
    server.zadd(KEYS.consumers, {"dead": 1})
    server.xdel(KEY, entries[0].entry_id)
    _, adopted, trimmed = Roster(make_group("me")).adopt("dead", 10, 0)
    gone = trimmed or [one.entry_id for one in adopted if not make_group("me").start(one)[0].fields]
    assert gone == [entries[0].entry_id]


def test_a_consumer_is_removed_only_when_it_holds_nothing_and_has_no_lease(server):
    group, (entry,) = read(server, 1, "dead")
    server.zadd(KEYS.consumers, {"dead": 1})
    roster = Roster(make_group("me"))
    assert roster.remove("dead") is False
    group.ack([entry.entry_id])
    Roster(group).renew(30)
    assert roster.remove("dead") is False
    server.zadd(KEYS.consumers, {"dead": 1})
    assert roster.remove("dead") is True
    assert server.xinfo_consumers(KEY, "billing") == []
    assert not server.exists(KEYS.consumers)


def test_leaving_removes_a_consumer_that_holds_nothing(server):
    group, (entry,) = read(server, 1)
    Roster(group).renew(30)
    assert Roster(group).leave() is False
    group.ack([entry.entry_id])
    assert Roster(group).leave() is True
    assert server.xinfo_consumers(KEY, "billing") == []


def test_the_mark_is_before_the_first_entry_that_somebody_holds(server):
    group, entries = read(server, 3)
    group.ack([entries[0].entry_id])
    Mark(group).save()
    server.xgroup_destroy(KEY, "billing")
    assert Mark(group).recreate() is not None
    assert [entry.entry_id for entry in group.read(10, None)] == [entry.entry_id for entry in entries[1:]]


def test_a_mark_that_the_stream_does_not_reach_means_nothing(server):
    group, _ = read(server, 3)
    Mark(group).save()
    server.set(KEYS.cursor, "99999999999999-0")
    server.xgroup_destroy(KEY, "billing")
    assert Mark(group).recreate() == "0"
    assert len(group.read(10, None)) == 3


def test_a_group_that_is_there_is_not_moved(server):
    group, _ = read(server, 3)
    assert Mark(group).recreate() is None
    assert group.read(10, None) == []


@pytest.mark.parametrize("pending", [0, 2])
def test_the_mark_is_saved_whatever_is_pending(server, pending):
    group = make_group()
    group.ensure()
    ids = add(server, 2)
    group.read(2, None)
    group.ack(ids[pending:])
    Mark(group).save()
    mark = server.get(KEYS.cursor).decode()
    assert (mark < ids[0]) if pending else (mark == ids[1])
