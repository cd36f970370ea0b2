"""What Redis holds, in every reply shape of the client, and how groups fare."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from stream_events import StreamPublisher
from stream_events.consuming import Consumer
from stream_events.keys import group_keys
from stream_events.operations.inspection import (
    Health,
    discover_streams,
    group_state,
    server_facts,
    server_version,
    stream_states,
)
from stream_events.operations.pages import Budget
from tests.conftest import wait_for
from tests.consuming.test_group import SHAPES

KEYS = group_keys("orders", "billing", "t:")
KEY = KEYS.stream


@pytest.fixture(params=SHAPES, ids=str)
def _shape(request, settings, registry, server):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": request.param}


def publish(count):
    return StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(count)])[0]


def lease(server, consumer, seconds):
    server.zadd(KEYS.consumers, {consumer: (time.time() + seconds) * 1000})


def old_entry(server, age, key=KEY):
    """An entry that was added ``age`` seconds ago."""
    return server.xadd(key, {"payload": "{}"}, id=f"{round((time.time() - age) * 1000)}-0").decode()


def billing():
    return group_state("orders", "billing")


@pytest.mark.usefixtures("_shape")
class TestInEveryReplyShape:
    def test_a_stream_has_its_length_its_entries_and_its_groups(self, server):
        ids = publish(3)
        server.xgroup_create(KEY, "billing", id="0")
        server.xreadgroup("billing", "one", {KEY: ">"}, count=2)
        (state,) = stream_states(["orders"])
        assert (state.exists, state.length, state.added, state.problem) == (True, 3, 3, "")
        assert (state.first_id, state.last_id, state.is_declared) == (ids[0], ids[2], True)
        assert state.last_entry_at.year >= 2026
        (group,) = state.groups
        assert (group.name, group.pending, group.lag, group.exists) == ("billing", 2, 1, True)
        assert (group.oldest_pending_id, group.last_delivered_id, group.entries_read) == (ids[0], ids[1], 2)

    def test_a_group_has_what_its_other_keys_tell(self, server):
        ids = publish(3)
        server.xgroup_create(KEY, "billing", id="0")
        server.xreadgroup("billing", "one", {KEY: ">"})
        server.xclaim(KEY, "billing", "~retry", 0, [ids[1]], justid=True)
        server.xgroup_createconsumer(KEY, "billing", "two")
        lease(server, "one", 30)
        lease(server, "two", -30)
        lease(server, "new", 30)
        server.xadd(KEYS.dead, {"payload": "{}"})
        server.xadd(KEYS.requeue, {"payload": "{}"})
        state = billing()
        assert (state.waiting, state.dead, state.requeued, state.consumers, state.running) == (1, 1, 1, 2, 2)
        assert (state.last_consumer, state.last_seen, state.problem) == ("", None, "")

    def test_what_is_not_there_is_empty(self, server):
        assert not stream_states(["nothing"])[0].exists
        assert not billing().exists

    def test_the_server_says_what_it_is(self):
        name, version = server_version().split()
        assert name in ("redis", "valkey")
        assert version[0].isdigit()
        facts = server_facts()
        assert facts.version == server_version()
        assert facts.used_memory > 100_000
        assert facts.max_memory == 0
        assert facts.latency > 0

    def test_other_streams_are_found(self, server):
        server.xadd("t:others", {"a": "1"})
        assert discover_streams().rows == ("others",)


@pytest.mark.usefixtures("registry")
class TestLag:
    def test_is_zero_when_everything_was_read(self, server):
        publish(2)
        server.xgroup_create(KEY, "billing", id="$")
        assert (billing().lag, billing().time_lag) == (0, timedelta(0))

    def test_in_time_is_the_age_of_the_first_entry_that_was_not_read(self, server):
        server.xgroup_create(KEY, "billing", id="0", mkstream=True)
        old_entry(server, 90)
        publish(1)
        assert timedelta(seconds=89) < billing().time_lag < timedelta(seconds=120)

    def test_is_unknown_after_a_deletion_and_known_in_time(self, server):
        first, second, _ = publish(3)
        server.xgroup_create(KEY, "billing", id=first)
        server.xdel(KEY, second)
        assert billing().lag is None
        assert timedelta(0) <= billing().time_lag < timedelta(minutes=1)

    def test_is_zero_when_all_that_was_not_read_is_deleted(self, server):
        ids = publish(2)
        server.xgroup_create(KEY, "billing", id=ids[0])
        server.xdel(KEY, ids[1])
        assert (billing().lag, billing().time_lag) == (0, timedelta(0))

    def test_of_a_clock_that_is_behind_is_not_below_zero(self, server):
        server.xgroup_create(KEY, "billing", id="0", mkstream=True)
        old_entry(server, -90)
        assert billing().time_lag == timedelta(0)

    def test_of_a_group_to_come_is_the_whole_stream(self, server, registry):
        registry.register(print, stream="orders", group="billing")
        old_entry(server, 90)
        publish(1)
        state = billing()
        assert (state.exists, state.is_registered, state.lag) == (False, True, 2)
        assert state.time_lag > timedelta(seconds=89)

    def test_of_a_group_that_goes_on_elsewhere_is_unknown(self, server, registry):
        registry.register(print, stream="orders", group="billing")
        ids = publish(2)
        server.set(KEYS.cursor, ids[0])
        assert (billing().lag, billing().time_lag) == (None, None)


@pytest.mark.usefixtures("registry")
class TestHealth:
    def test_all_is_read_and_handled(self, server):
        publish(1)
        server.xgroup_create(KEY, "billing", id="$")
        assert billing().health is Health.OK
        assert stream_states(["orders"])[0].health is Health.OK

    def test_nobody_has_published_yet(self, server, registry):
        registry.register(print, stream="orders", group="billing")
        (state,) = stream_states(["orders"])
        assert (state.health, state.groups[0].health, state.is_declared) == (Health.IDLE, Health.IDLE, True)

    @pytest.mark.parametrize("ends", [30, -1], ids=["alive", "gone"])
    def test_entries_that_wait_for_a_minute_while_somebody_runs(self, server, ends):
        server.xgroup_create(KEY, "billing", id="0", mkstream=True)
        old_entry(server, 90)
        lease(server, "one", ends)
        assert billing().health is (Health.BEHIND if ends > 0 else Health.STALLED)

    def test_a_consumer_of_another_program_runs_until_it_is_silent(self, server, settings):
        publish(1)
        server.xgroup_create(KEY, "billing", id="0")
        server.xreadgroup("billing", "one", {KEY: ">"})
        assert (billing().health, billing().running) == (Health.OK, 0)
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "CLAIM_IDLE": 0.01}
        wait_for(lambda: billing().health is Health.STALLED, "the silence")

    def test_a_dead_letter(self, server):
        publish(1)
        server.xgroup_create(KEY, "billing", id="$")
        server.xadd(KEYS.dead, {"payload": "{}"})
        assert billing().health is Health.FAILING

    def test_what_was_requeued_and_nobody_takes(self, server):
        publish(1)
        server.xgroup_create(KEY, "billing", id="$")
        server.xadd(KEYS.requeue, {"payload": "{}"})
        assert billing().health is Health.STALLED

    def test_a_group_that_nobody_has_begun_to_read_for(self, server, registry):
        registry.register(print, stream="orders", group="billing")
        publish(1)
        assert billing().health is Health.STALLED

    def test_a_group_that_an_operator_has_deleted(self, server, registry):
        registry.register(print, stream="orders", group="billing")
        publish(1)
        server.set(KEYS.cursor, "deleted")
        state = billing()
        assert (state.is_deleted, state.exists, state.lag, state.health) == (True, False, None, Health.IDLE)

    def test_a_stream_fares_as_its_worst_group(self, server):
        publish(1)
        server.xgroup_create(KEY, "billing", id="$")
        server.xgroup_create(KEY, "search", id="0")
        assert stream_states(["orders"])[0].health is Health.STALLED

    def test_a_key_that_holds_no_stream(self, server):
        server.lpush(KEY, "x")
        (state,) = stream_states(["orders"])
        assert (state.health, state.exists) == (Health.BROKEN, False)
        assert state.problem == "The key holds a list, not a stream."

    def test_dead_letters_that_are_no_stream(self, server):
        publish(1)
        server.xgroup_create(KEY, "billing", id="$")
        server.set(KEYS.dead, "x")
        assert billing().health is Health.BROKEN
        assert "WRONGTYPE" in billing().problem

    def test_is_ordered_from_best_to_worst(self):
        assert [one.rank for one in Health] == list(range(6))
        assert max(Health, key=lambda one: one.rank) is Health.BROKEN


@pytest.mark.django_db
def test_a_running_consumer_counts_and_one_that_is_gone_is_the_last_seen(server, registry, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "LEASE": 5}
    begun, end = threading.Event(), threading.Event()

    def handle(event):
        begun.set()
        assert end.wait(20)

    registry.register(handle, stream="orders", group="billing", name="handle")
    publish(1)
    consumer = Consumer("orders", "billing", max_seconds=20)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        assert begun.wait(20)
        state = billing()
        assert (state.running, state.consumers, state.pending, state.health) == (1, 1, 1, Health.OK)
    finally:
        end.set()
        consumer.stop()
        thread.join()
    assert (billing().running, billing().consumers) == (0, 0)
    lease(server, "gone", -7)
    assert billing().last_consumer == "gone"
    assert timedelta(seconds=6) < billing().last_seen < timedelta(seconds=20)


@pytest.mark.usefixtures("registry")
def test_groups_of_other_programs_have_any_names(server):
    publish(1)
    for name in (b"\xff\xfe", b"with: colon", b"\\xff", "größe".encode(), b"a\nb~{c}"):
        server.xgroup_create(KEY, name, id="0")
    names = [group.name for group in stream_states(["orders"])[0].groups]
    assert names == sorted(["\\xff\\xfe", "with: colon", "\\x5cxff", "größe", "a\nb~{c}"])
    assert all(group_state("orders", name).lag == 1 for name in names)


@pytest.mark.usefixtures("registry")
def test_a_key_prefix_may_look_like_an_escape(server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "KEY_PREFIX": "\\x41:"}
    server.xadd("\\x41:others", {"a": "1"})
    (state,) = stream_states(discover_streams().rows)
    assert (state.name, state.length, state.is_declared) == ("others", 1, False)


@pytest.mark.usefixtures("registry")
def test_fifty_streams_of_four_groups_take_two_round_trips(server, trips):
    names = [f"s{number}" for number in range(50)]
    for name in names:
        server.xadd(f"t:{name}", {"payload": "{}"})
        for group in ("a", "b", "c", "d"):
            server.xgroup_create(f"t:{name}", group, id="0")
    stream_states(names)
    trips.clear()
    assert sum(len(state.groups) for state in stream_states(names)) == 200
    assert len(trips) == 2


@pytest.mark.usefixtures("registry")
class TestDiscovery:
    def test_leaves_out_what_the_project_declares_and_what_belongs_to_a_stream(self, server, registry):
        registry.register(print, stream="orders", group="billing")
        keys = [group_keys("a", "b", "t:"), group_keys("{shop}-x", "b", "t:"), group_keys("a", "b", "")]
        derived = [key for one in keys for key in (one.dead, one.requeue)]
        for key in (KEY, "t:others", "t:{shop}-x", "t:~audit", *derived):
            server.xadd(key, {"a": "1"})
        server.set("t:text", "x")
        assert discover_streams().rows == ("others", "{shop}-x")

    def test_takes_the_prefix_as_it_is(self, server, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "KEY_PREFIX": "[a]*:"}
        server.xadd("[a]*:mine", {"a": "1"})
        server.xadd("ab:other", {"a": "1"})
        assert discover_streams().rows == ("mine",)

    def test_without_a_prefix_finds_all(self, server, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "KEY_PREFIX": ""}
        for key in ("t:orders", b"\xff", group_keys("a", "b", "").dead, "~audit"):
            server.xadd(key, {"a": "1"})
        assert discover_streams().rows == ("\\xff", "t:orders")

    def test_is_cut_when_the_budget_is_spent_and_goes_on_there(self, server):
        pipeline = server.pipeline()
        for number in range(5000):
            pipeline.set(f"t:key-{number}", "x")
        pipeline.xadd("t:others", {"a": "1"})
        pipeline.execute()
        page, found = discover_streams(Budget(rows=1000)), set()
        assert page.is_cut
        while page.after:
            found |= set(page.rows)
            page = discover_streams(Budget(rows=1000), after=page.after)
        assert found | set(page.rows) == {"others"}
        assert not page.is_cut


@pytest.mark.usefixtures("registry")
def test_an_id_beyond_the_calendar_is_no_error(server):
    server.xadd(KEY, {"a": "1"}, id="18446744073709551615-1")
    server.xgroup_create(KEY, "billing", id="0")
    (state,) = stream_states(["orders"])
    assert state.last_entry_at == datetime.max.replace(tzinfo=UTC)
    assert state.groups[0].time_lag == timedelta(0)
