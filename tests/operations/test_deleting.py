"""Deleting consumers, groups and streams, and publishing by hand."""

import json
from datetime import UTC, datetime

import pytest

from stream_events import suppress
from stream_events.exceptions import ConfigurationError
from stream_events.keys import group_keys, requeue_keys
from stream_events.operations.history import take_sample
from stream_events.operations.plans import Level, Limit, Order, Progress, plan
from tests.conftest import wait_for
from tests.operations.acting import (
    KEY,
    KEYS,
    REQUEUED,
    begin,
    bury,
    do,
    finish,
    let_live,
    let_wait,
    make_group,
    order,
    pending,
    publish,
    read,
    reasons,
)


@pytest.fixture
def group(server, registry):
    """A group in which the dead web-1 holds 5 entries, and the dead web-2 none."""
    ids = publish(5)
    make_group(server)
    read(server)
    server.xgroup_createconsumer(KEY, "billing", "web-2")
    let_live(server, "web-1", -60)
    let_live(server, "web-2", -60)
    return ids


def consumers(server):
    return {row["name"].decode() for row in server.xinfo_consumers(KEY, "billing")}


class TestConsumer:
    def test_without_entries_is_deleted(self, server, group):
        found = plan(order("delete-consumer", consumer="web-2"))
        assert (found.refusal, found.level, found.name, found.count) == ("", Level.TYPE_NAME, "web-2", 0)
        assert do("delete-consumer", consumer="web-2").report() == "1 consumer deleted"
        assert consumers(server) == {"web-1"}
        assert server.zscore(KEYS.consumers, "web-2") is None

    def test_with_entries_is_refused(self, server, group):
        found = plan(order("delete-consumer", consumer="web-1"))
        assert found.refusal.startswith("It holds 5 entries")
        assert "handed back" not in found.consequence
        progress = do("delete-consumer", consumer="web-1")
        assert (progress.done, reasons(progress)) == (0, {"web-1": "It runs, or holds entries."})
        assert consumers(server) == {"web-1", "web-2"}

    def test_its_entries_are_handed_back_first(self, server, group):
        do("requeue", bury(server, 2))
        server.xreadgroup("billing", "web-1", {REQUEUED.stream: ">"})
        assert plan(order("delete-consumer", consumer="web-1", move="yes")).count == 7
        progress = finish(begin("delete-consumer", consumer="web-1", move="yes"), limit=Limit(rows=1))
        assert (progress.done, progress.scanned, progress.total) == (1, 7, 7)
        assert set(pending(server).values()) == set(pending(server, REQUEUED).values()) == {("~retry", 1)}
        assert server.zcard(KEYS.retry) == 5
        assert server.zcard(REQUEUED.retry) == 2
        assert consumers(server) == {"~retry", "web-2"}

    def test_entries_without_payload_are_acknowledged(self, server, group):
        server.xdel(KEY, group[0])
        assert do("delete-consumer", consumer="web-1", move="yes").done == 1
        assert set(pending(server)) == set(group[1:])

    def test_that_runs_is_refused(self, server, group):
        let_live(server)
        found = plan(order("delete-consumer", consumer="web-1", move="yes"))
        assert found.refusal.startswith("It runs: stop it first.")
        assert do("delete-consumer", consumer="web-1", move="yes").done == 0
        assert set(pending(server).values()) == {("web-1", 1)}

    def test_of_another_program_that_is_at_work_keeps_its_entries(self, server, group):
        server.zrem(KEYS.consumers, "web-1")
        progress = do("delete-consumer", consumer="web-1", move="yes")
        assert reasons(progress) == {"web-1": "web-1 is handling it now; it would run twice"}
        assert consumers(server) >= {"web-1"}

    def test_that_is_not_there_is_refused(self, server, group):
        assert plan(order("delete-consumer", consumer="x")).refusal == "the group has no such consumer"
        assert do("delete-consumer", consumer="x").done == 0

    @pytest.mark.parametrize("options", [{}, {"consumer": "~retry"}, {"consumer": "x", "move": "1"}], ids=str)
    def test_says_what_to_write(self, server, options):
        with pytest.raises(ConfigurationError):
            plan(order("delete-consumer", **options))


class TestGroup:
    def test_leaves_a_tombstone_and_its_dead_letters(self, server, group):
        let_wait(server, group[0], error="x")
        bury(server, 3)
        do("requeue", bury(server, 1))
        progress = finish(begin("delete-group"), limit=Limit(rows=2))
        assert (progress.report(), progress.scanned, progress.total) == ("1 group deleted", 5, 5)
        assert set(server.keys("*orders*")) == {KEY.encode(), KEYS.dead.encode(), KEYS.cursor.encode()}
        assert server.get(KEYS.cursor) == b"deleted"
        assert server.xinfo_groups(KEY) == []

    def test_takes_its_dead_letters_along_if_wanted(self, server, group):
        bury(server, 3)
        do("delete-group", dead_letters="yes")
        assert not server.exists(KEYS.dead)

    def test_the_plan_says_what_is_lost(self, server, group):
        publish(2)
        bury(server, 3)
        let_live(server)
        found = plan(order("delete-group"))
        assert (found.level, found.name, found.permission) == (
            Level.TYPE_NAME,
            "billing",
            "stream_events.delete_consumergroup",
        )
        assert found.warnings == (
            "1 consumer runs: it ends.",
            "2 entries that it has not read will not be handled by it.",
            "5 pending entries are dropped.",
            "3 dead letters stay.",
        )
        assert plan(order("delete-group", dead_letters="yes")).warnings[-1] == "3 dead letters are deleted."

    def test_that_is_not_there_is_refused(self, server, registry):
        assert plan(order("delete-group")).refusal == "There is no such group."

    def test_is_complete_when_it_is_performed_again(self, server, group):
        progress = begin("delete-group")
        assert finish(progress).done == finish(progress).done == 1

    def test_at_maxmemory_it_is_deleted_as_well(self, server, group):
        progress = begin("delete-group")
        server.config_set("maxmemory", 1)
        try:
            assert finish(progress).done == 1
        finally:
            server.config_set("maxmemory", 0)
        assert server.get(KEYS.cursor) == b"deleted"

    def test_its_running_consumers_exit_78(self, project):
        process = project.start("runconsumer", "orders", "billing", "--no-reload")
        client = project.redis()
        keys = group_keys("orders", "billing")
        wait_for(lambda: client.exists("orders") and client.xinfo_groups("orders"), "the group")
        wait_for(lambda: client.zcard(keys.consumers), "the lease of the consumer")
        output = project.shell(
            "from stream_events.operations.plans import *\n"
            "found = plan(Order(verb=Verb.DELETE_GROUP, stream='orders', group='billing'))\n"
            "print(found.warnings[0])\n"
            "print(perform(Progress(order=found.order), Actor(name='ana', via='command line')).report())\n"
        )
        assert output.splitlines() == ["1 consumer runs: it ends.", "1 group deleted"]
        log, _ = process.communicate(timeout=30)
        assert process.returncode == 78, log
        assert "An operator has deleted the group" in log
        assert client.xinfo_groups("orders") == []
        client.close()


class TestStream:
    def test_takes_its_history_along(self, group, server, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}
        seconds, _ = server.time()
        assert take_sample(datetime.fromtimestamp(seconds, tz=UTC))
        assert server.keys("{t:orders}:stats:*")
        do("delete-stream", group="")
        assert server.keys("{t:orders}*") == []

    def test_goes_with_all_that_belongs_to_its_groups(self, server, group, registry):
        registry.register(print, stream="orders", group="search")
        server.set(group_keys("orders", "search", "t:").cursor, "1-1")
        server.hset(requeue_keys("orders", "billing", "t:").errors, "1-1", "{}")
        bury(server, 2)
        let_wait(server, group[0], error="x")
        server.set("t:other", "x")
        found = plan(order("delete-stream", group=""))
        assert (found.name, found.level, found.count) == ("orders", Level.TYPE_NAME, 5)
        assert found.warnings == ("billing loses 5 pending entries and 2 dead letters.",)
        assert do("delete-stream", group="").report() == "1 stream deleted"
        assert set(server.keys()) == {b"t:other", b"t:~audit"}

    def test_takes_what_a_deleted_group_has_left(self, server, settings, registry, group):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}
        registry.register(print, stream="orders", group="audit")
        bury(server, 2)
        seconds, _ = server.time()
        assert take_sample(datetime.fromtimestamp(seconds, tz=UTC))
        do("delete-group")
        assert server.exists(KEYS.dead, KEYS.cursor) == 2
        do("delete-stream", group="")
        assert not server.exists(KEYS.dead, KEYS.cursor)

    def test_says_that_running_consumers_make_it_again(self, server, group):
        let_live(server)
        found = plan(order("delete-stream", group=""))
        assert "Consumers of billing run: they make stream and group again." in found.warnings

    def test_that_is_not_there_is_refused(self, server, registry):
        assert plan(order("delete-stream", group="")).refusal == "There is no such stream."
        assert reasons(do("delete-stream", group="")) == {"orders": "deleted already"}

    def test_is_never_another_kind_of_key(self, server, registry):
        server.set(KEY, "x")
        assert "string" in plan(order("delete-stream", group="")).refusal
        assert do("delete-stream", group="").done == 0
        assert server.get(KEY) == b"x"


class TestPublish:
    def publish(self, payload, **options):
        return order("publish", group="", payload=json.dumps(payload), **options)

    def test_appends_one_event_and_says_its_id(self, server, registry, entries):
        payload = {"obj_id": 1, "obj_type": "shop.order", "action": "test"}
        make_group(server)
        found = plan(self.publish(payload))
        assert (found.level, found.permission) == (Level.PLAIN, "stream_events.publish_stream")
        assert (found.consequence, found.warnings) == ("These groups get it: billing.", ())
        progress = finish(Progress(order=found.order))
        assert progress.lines == (f"Published as {server.xrange(KEY)[0][0].decode()}.",)
        assert entries("orders") == [payload]
        ((_, fields),) = server.xrange("t:~audit")
        assert fields[b"detail"] == b""

    def test_the_same_order_publishes_once(self, server, registry):
        progress = Progress(order=Order.load(plan(self.publish({"obj_id": 1})).order.dump()))
        assert finish(progress).done == 1
        assert "performed before" in reasons(finish(progress))["orders"]
        assert server.xlen(KEY) == 1

    def test_says_what_the_payload_lacks(self, server, registry):
        assert "no action, obj_type" in plan(self.publish({"obj_id": 1})).warnings[0]

    def test_what_is_suppressed_is_skipped(self, server, registry):
        progress = Progress(order=plan(self.publish({"obj_id": 1})).order)
        with suppress("orders"):
            assert reasons(finish(progress)) == {"orders": "publishing is switched off"}

    def test_what_redis_refuses_is_skipped_and_may_be_tried_again(self, server, registry):
        progress = Progress(order=plan(self.publish({"obj_id": 1})).order)
        server.config_set("maxmemory", 1)
        try:
            assert "out of memory" in reasons(finish(progress))["orders"]
        finally:
            server.config_set("maxmemory", 0)
        assert finish(progress).done == 1

    @pytest.mark.parametrize("payload", ["", "{", "[1]", "null"])
    def test_what_is_no_json_object_is_refused(self, server, payload):
        with pytest.raises(ConfigurationError):
            plan(order("publish", group="", payload=payload))
