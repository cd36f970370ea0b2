"""Pending entries: their states, their filters, and how far a page looks."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis

from stream_events import Retry, StreamPublisher
from stream_events.consuming import Consumer
from stream_events.exceptions import ConfigurationError
from stream_events.keys import group_keys, requeue_keys
from stream_events.operations.pages import Budget
from stream_events.operations.pending import EntryState, PendingFilter, pending_entries, pending_entry
from tests.conftest import wait_for
from tests.consuming.test_group import SHAPES
from tests.faults.servers import Server

KEYS = group_keys("orders", "billing", "t:")
KEY = KEYS.stream


@pytest.fixture
def _settings(settings, registry, server):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "CLAIM_IDLE": 60, "HANDLER_TIMEOUT": 30}


pytestmark = pytest.mark.usefixtures("_settings")


def publish(count):
    return StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(count)])[0]


def hold(server, count, consumer="one", lease=None):
    """``count`` new entries in the hand of ``consumer``, whose lease ends in ``lease`` seconds."""
    ids = publish(count)
    server.xgroup_create(KEY, "billing", "0", mkstream=True) if not server.xinfo_groups(KEY) else None
    server.xreadgroup("billing", consumer, {KEY: ">"}, count=count)
    if lease is not None:
        server.zadd(KEYS.consumers, {consumer: (time.time() + lease) * 1000})
    return ids


def let_wait(server, entry_id, due=60.0, error=""):
    server.xclaim(KEY, "billing", "~retry", 0, [entry_id], justid=True)
    server.zadd(KEYS.retry, {entry_id: (time.time() + due) * 1000})
    if error:
        failure = {"error": error, "traceback": "Traceback …", "handlers": ["invoice"]}
        server.hset(KEYS.errors, entry_id, json.dumps(failure))


def age(server, entry_id, consumer, seconds):
    server.xclaim(KEY, "billing", consumer, 0, [entry_id], idle=int(seconds * 1000), justid=True)


def found(**where):
    return [one.entry_id for one in pending_entries("orders", "billing", PendingFilter(**where)).rows]


def state(entry_id):
    return pending_entry("orders", "billing", entry_id).state


def calls(server, work):
    """The commands that ``work`` sends, and how often."""
    server.config_resetstat()
    work()
    return {
        name.removeprefix("cmdstat_"): figures["calls"]
        for name, figures in server.info("commandstats").items()
        if name != "cmdstat_config|resetstat"
    }


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_entry_says_who_holds_it_and_why_it_failed(server, settings, shape):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": shape}
    held, waiting = hold(server, 2, lease=30)
    let_wait(server, waiting, 60, "ValueError: no such customer")
    page = pending_entries("orders", "billing")
    one, two = page.rows
    assert (page.total, page.after, page.is_cut) == (2, None, False)
    assert (one.entry_id, one.state, one.owner, one.consumer, one.due_at) == (
        held,
        EntryState.PROCESSING,
        "one",
        "one",
        None,
    )
    assert (one.delivery_count, one.fields[b"payload"], one.error, one.handlers) == (1, b'{"obj_id":0}', "", ())
    assert (two.state, two.owner, two.consumer) == (EntryState.WAITING, "~retry", "")
    assert (two.error, two.traceback, two.handlers) == ("ValueError: no such customer", "Traceback …", ("invoice",))
    assert timedelta(seconds=50) < two.due_at - datetime.now(UTC) < timedelta(seconds=61)
    assert one.idle < timedelta(seconds=30)


class TestStates:
    def test_an_entry_is_processing_while_its_consumer_has_a_lease(self, server):
        (entry_id,) = hold(server, 1, lease=30)
        age(server, entry_id, "one", 29)
        assert state(entry_id) is EntryState.PROCESSING

    def test_an_entry_is_overdue_when_it_is_held_for_longer_than_a_handler_may_run(self, server):
        (entry_id,) = hold(server, 1, lease=30)
        age(server, entry_id, "one", 31)
        assert state(entry_id) is EntryState.OVERDUE

    def test_an_entry_is_abandoned_when_the_lease_ran_out(self, server):
        (entry_id,) = hold(server, 1, lease=-1)
        assert state(entry_id) is EntryState.ABANDONED

    @pytest.mark.parametrize(
        ("idle", "expected"),
        [(1, EntryState.PROCESSING), (31, EntryState.OVERDUE), (61, EntryState.ABANDONED)],
        ids=["fresh", "long", "too_long"],
    )
    def test_an_entry_of_another_program_is_judged_by_its_idle_time(self, server, idle, expected):
        (entry_id,) = hold(server, 1)
        age(server, entry_id, "one", idle)
        assert state(entry_id) is expected

    @pytest.mark.parametrize(
        ("due", "expected"),
        [(60, EntryState.WAITING), (-5, EntryState.WAITING), (-60, EntryState.OVERDUE)],
        ids=["later", "just_due", "long_due"],
    )
    def test_a_waiting_entry_is_overdue_half_a_minute_after_it_was_due(self, server, due, expected):
        (entry_id,) = hold(server, 1)
        let_wait(server, entry_id, due)
        assert state(entry_id) is expected

    def test_a_waiting_entry_without_a_due_time_waits(self, server):
        (entry_id,) = hold(server, 1)
        let_wait(server, entry_id)
        server.delete(KEYS.retry)
        entry = pending_entry("orders", "billing", entry_id)
        assert (entry.state, entry.due_at) == (EntryState.WAITING, None)

    @pytest.mark.parametrize("owner", ["one", "~retry"])
    def test_an_entry_that_was_trimmed_is_deleted_whoever_holds_it(self, server, owner):
        first, last = hold(server, 2, owner, lease=30)
        server.xtrim(KEY, maxlen=1, approximate=False)
        entry = pending_entry("orders", "billing", first)
        assert (entry.state, entry.fields) == (EntryState.DELETED, None)
        assert state(last) is not EntryState.DELETED

    def test_an_entry_that_nobody_can_handle_is_fatal(self, server):
        one, two = hold(server, 2)
        server.xclaim(KEY, "billing", "one", 0, [one], retrycount=2**63 - 1, justid=True)
        assert pending_entry("orders", "billing", one).is_fatal
        assert not pending_entry("orders", "billing", two).is_fatal

    def test_what_is_not_pending_is_none(self, server):
        (entry_id,) = hold(server, 1)
        server.execute_command("XACK", KEY, "billing", entry_id)
        assert pending_entry("orders", "billing", entry_id) is None

    def test_what_is_stored_of_a_failure_may_be_anything(self, server):
        (entry_id,) = hold(server, 1)
        server.hset(KEYS.errors, entry_id, b"\xff[")
        assert pending_entry("orders", "billing", entry_id).error == ""


@pytest.mark.django_db
def test_a_running_consumer_shows_what_it_does(server, registry):
    begun, end = threading.Event(), threading.Event()

    def handle(event):
        if event.obj_id == 0:
            raise Retry(after=600)
        begun.set()
        assert end.wait(20)

    registry.register(handle, stream="orders", group="billing", name="handle")
    failing, held = publish(2)
    consumer = Consumer("orders", "billing", max_seconds=20)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        assert begun.wait(20)
        wait_for(lambda: state(failing) is EntryState.WAITING, "the retry")
        assert state(held) is EntryState.PROCESSING
        assert found(state=EntryState.WAITING) == [failing]
    finally:
        end.set()
        consumer.stop()
        thread.join()
    assert pending_entry("orders", "billing", held) is None


class TestReleased:
    @pytest.fixture
    def server(self, tmp_path, settings):
        """The client of a server that has XNACK."""
        server = Server("redis-8", tmp_path / "redis", "--appendonly", "no").start()
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "URL": server.url}
        yield server.client
        server.close()

    def test_an_entry_that_was_given_up_has_no_owner(self, server):
        fatal, failed, held = hold(server, 3)
        try:
            server.execute_command("XNACK", KEY, "billing", "FATAL", "IDS", 1, fatal)
        except redis.ResponseError:
            pytest.skip("this server has no XNACK")
        server.execute_command("XNACK", KEY, "billing", "FAIL", "IDS", 1, failed)
        one, two, three = pending_entries("orders", "billing").rows
        assert (one.state, one.owner, one.consumer, one.idle) == (EntryState.RELEASED, "", "", timedelta(0))
        assert [entry.is_fatal for entry in (one, two, three)] == [True, False, False]
        assert found(state=EntryState.RELEASED) == [fatal, failed]
        assert found(state=EntryState.PROCESSING) == [held]
        assert found(min_idle=timedelta(0)) == [held]


class TestPages:
    def test_go_on_after_the_last_entry_that_was_shown(self, server):
        ids = hold(server, 5)
        first = pending_entries("orders", "billing", size=2)
        second = pending_entries("orders", "billing", after=first.after, size=2)
        third = pending_entries("orders", "billing", after=second.after, size=2)
        assert [one.entry_id for page in (first, second, third) for one in page.rows] == ids
        assert (third.after, third.total) == (None, 5)

    def test_a_full_page_that_is_the_last_says_so(self, server):
        hold(server, 2)
        assert pending_entries("orders", "billing", size=2).after is None

    def test_of_what_is_not_there_are_empty(self, server):
        assert pending_entries("orders", "billing").rows == ()
        publish(1)
        assert pending_entries("orders", "billing").rows == ()
        assert pending_entries("orders", "billing", requeued=True).rows == ()

    def test_of_a_key_that_holds_no_stream_are_empty(self, server):
        server.set(KEY, "text")
        assert pending_entries("orders", "billing").rows == ()

    def test_show_what_was_requeued_to_the_group(self, server):
        keys = requeue_keys("orders", "billing", "t:")
        entry_id = server.xadd(keys.stream, {"payload": "{}", "requeued_entry_id": "1-0"}).decode()
        server.xgroup_create(keys.stream, "billing", "0")
        server.xreadgroup("billing", "one", {keys.stream: ">"})
        server.hset(keys.errors, entry_id, '{"error": "KeyError: 1"}')
        (entry,) = pending_entries("orders", "billing", requeued=True).rows
        assert (entry.entry_id, entry.error) == (entry_id, "KeyError: 1")
        assert pending_entry("orders", "billing", entry_id, requeued=True).fields == entry.fields

    def test_what_is_no_id_is_refused(self, server):
        hold(server, 1)
        with pytest.raises(ConfigurationError, match="'yesterday' is no entry id"):
            pending_entries("orders", "billing", after="yesterday")

    def test_groups_and_consumers_of_other_programs_have_any_names(self, server):
        publish(1)
        server.xgroup_create(KEY, b"\xff: \\x41", "0")
        server.xreadgroup(b"\xff: \\x41", b"\xfe", {KEY: ">"})
        (entry,) = pending_entries("orders", "\\xff: \\x5cx41").rows
        assert entry.owner == "\\xfe"
        assert len(pending_entries("orders", "\\xff: \\x5cx41", PendingFilter(consumer="\\xfe")).rows) == 1

    def test_a_page_takes_three_round_trips(self, server, trips):
        hold(server, 60)
        pending_entries("orders", "billing")
        trips.clear()
        pending_entries("orders", "billing")
        assert len(trips) == 3


class TestFilters:
    def test_a_consumer(self, server):
        hold(server, 2, "one")
        ids = hold(server, 2, "two")
        assert found(consumer="two") == ids
        assert found(consumer="three") == []

    def test_every_state(self, server):
        deleted, abandoned = hold(server, 2, "gone", lease=-1)
        (processing,) = hold(server, 1, "alive", lease=30)
        waiting, late = hold(server, 2, "alive")
        (stuck,) = hold(server, 1, "alive")
        let_wait(server, waiting)
        let_wait(server, late, -60)
        age(server, stuck, "alive", 31)
        server.xdel(KEY, deleted)
        assert {state: found(state=state) for state in EntryState} == {
            EntryState.PROCESSING: [processing],
            EntryState.WAITING: [waiting],
            EntryState.OVERDUE: [late, stuck],
            EntryState.ABANDONED: [abandoned],
            EntryState.RELEASED: [],
            EntryState.DELETED: [deleted],
        }

    def test_those_of_many_owners_stay_in_their_order(self, server):
        ids = [entry_id for turn in range(6) for entry_id in hold(server, 1, f"consumer-{turn % 3}", lease=-1)]
        hold(server, 1, "alive", lease=30)
        where = PendingFilter(state=EntryState.ABANDONED)
        first = pending_entries("orders", "billing", where, size=4)
        rest = pending_entries("orders", "billing", where, size=4, after=first.after)
        assert [one.entry_id for one in (*first.rows, *rest.rows)] == ids

    def test_more_owners_than_are_read_side_by_side(self, server):
        ids = [entry_id for number in range(20) for entry_id in hold(server, 1, f"consumer-{number}", lease=-1)]
        assert found(state=EntryState.ABANDONED) == ids

    def test_the_idle_time(self, server):
        one, two = hold(server, 2)
        age(server, two, "one", 20)
        assert found(min_idle=timedelta(seconds=10)) == [two]
        assert found(min_idle=timedelta(seconds=21)) == []
        assert found(min_idle=timedelta(0)) == [one, two]

    def test_the_deliveries(self, server):
        one, two = hold(server, 2)
        server.xclaim(KEY, "billing", "one", 0, [two], retrycount=3, justid=True)
        assert found(min_deliveries=1) == [one, two]
        assert found(min_deliveries=3) == [two]
        assert found(min_deliveries=4) == []

    @pytest.mark.parametrize("text", ["ValueError", "no such CUSTOMER"])
    def test_the_error(self, server, text):
        one, two, _ = hold(server, 3)
        let_wait(server, one, 60, "KeyError: 1")
        let_wait(server, two, 60, "ValueError: no such customer")
        assert found(error=text) == [two]

    def test_the_error_where_more_are_known_than_are_fetched(self, server, monkeypatch):
        monkeypatch.setattr("stream_events.operations.pending.MOST_ERRORS", 1)
        one, two, _ = hold(server, 3)
        let_wait(server, one, 60, "KeyError: 1")
        let_wait(server, two, 60, "ValueError: no such customer")
        assert found(error="ValueError") == [two]

    def test_the_error_of_what_is_pending_no_more_is_not_found(self, server):
        one, _ = hold(server, 2)
        let_wait(server, one, 60, "KeyError: 1")
        server.execute_command("XACK", KEY, "billing", one)
        assert found(error="KeyError") == []

    def test_the_time(self, server):
        ids = hold(server, 5)
        assert found(since=ids[1], until=ids[3]) == ids[1:4]
        assert found(since=ids[0].partition("-")[0], until=ids[4].partition("-")[0]) == ids
        assert found(since=ids[3], until=ids[1]) == []

    def test_several_together(self, server):
        one, two = hold(server, 2, "one", lease=-1)
        hold(server, 2, "two", lease=-1)
        assert found(consumer="one", state=EntryState.ABANDONED, since=two) == [two]
        assert found(consumer="one", state=EntryState.PROCESSING) == []
        assert found(consumer="one", state=EntryState.ABANDONED, min_deliveries=1) == [one, two]

    def test_pages_go_on_with_the_filter(self, server):
        ids = hold(server, 6)
        for entry_id in ids[::2]:
            server.xclaim(KEY, "billing", "one", 0, [entry_id], retrycount=3, justid=True)
        where = PendingFilter(min_deliveries=3)
        first = pending_entries("orders", "billing", where, size=2)
        assert [one.entry_id for one in first.rows] == [ids[0], ids[2]]
        second = pending_entries("orders", "billing", where, size=2, after=first.after)
        assert [one.entry_id for one in second.rows] == [ids[4]]
        assert second.after is None


class TestBudget:
    def test_a_page_that_looks_at_too_much_is_cut_and_says_where_to_go_on(self, server):
        ids = hold(server, 1200)
        server.xclaim(KEY, "billing", "one", 0, [ids[-1]], retrycount=3, justid=True)
        where = PendingFilter(min_deliveries=3)
        page = pending_entries("orders", "billing", where, budget=Budget(rows=1000))
        assert (page.rows, page.is_cut, page.after, page.scanned) == ((), True, ids[999], 1000)
        page = pending_entries("orders", "billing", where, budget=Budget(rows=1000), after=page.after)
        assert ([one.entry_id for one in page.rows], page.is_cut, page.after) == ([ids[-1]], False, None)

    def test_a_page_without_time_looks_at_some_all_the_same(self, server):
        hold(server, 300)
        page = pending_entries("orders", "billing", PendingFilter(min_deliveries=3), budget=Budget(seconds=0))
        assert (page.is_cut, page.scanned) == (True, 100)

    def test_a_list_that_is_long_is_not_searched_by_the_server(self, server, monkeypatch, trips):
        monkeypatch.setattr("stream_events.operations.pending.SHORT", 5)
        ids = hold(server, 6)
        age(server, ids[3], "one", 20)
        trips.clear()
        assert found(min_idle=timedelta(seconds=10)) == [ids[3]]
        assert not any(b"IDLE" in one for one in trips)

    def test_what_was_trimmed_is_looked_at_only_where_it_is_wanted(self, server):
        ids = hold(server, 1200, lease=30)
        server.xtrim(KEY, minid=ids[-10], approximate=False)
        sent = calls(server, lambda: found(state=EntryState.PROCESSING))
        assert sent["xpending"] == 2
        assert sent["xrange"] == 10
        assert found(state=EntryState.PROCESSING) == ids[-10:]
        assert found(state=EntryState.DELETED) == ids[:50]

    def test_what_nobody_holds_is_not_looked_for(self, server):
        hold(server, 1200, lease=30)
        for state in (EntryState.RELEASED, EntryState.ABANDONED, EntryState.WAITING):
            sent = calls(server, lambda state=state: found(state=state))
            assert sent["xpending"] == 1
