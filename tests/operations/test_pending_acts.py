"""Acknowledging, claiming, retrying and burying pending entries that were picked."""

import json
import threading

import pytest

from stream_events.exceptions import ConfigurationError
from stream_events.operations.plans import Level, Order, Target, plan
from tests.consuming.test_outcomes import consume
from tests.operations.acting import (
    KEY,
    KEYS,
    REQUEUED,
    begin,
    bury,
    do,
    finish,
    finish_whatever_happens,
    let_live,
    let_wait,
    make_group,
    order,
    pending,
    publish,
    read,
    reasons,
)

EVERY_VERB = ("ack", "retry", "claim", "dead")
OPTIONS = {"claim": {"consumer": "web-2"}}


@pytest.fixture
def group(server, registry):
    """A group with three entries that the dead consumer web-1 holds."""
    ids = publish(3)
    make_group(server)
    read(server)
    server.xgroup_createconsumer(KEY, "billing", "web-2")
    let_live(server, seconds=-60)
    return ids


def act(verb, ids, **details):
    return do(verb, ids, **details, **OPTIONS.get(verb, {}))


class TestAcknowledge:
    def test_forgets_everything_of_the_entry(self, server, group):
        let_wait(server, group[0], error="ValueError: x", traceback="", handlers=["a"])
        server.hset(KEYS.progress, group[0], "{}")
        progress = act("ack", group[:1])
        assert progress.report() == "1 acknowledged"
        assert set(pending(server)) == set(group[1:])
        assert not server.exists(KEYS.retry, KEYS.errors, KEYS.progress)

    def test_deletes_a_requeued_entry_and_its_stream_with_the_last(self, server, group):
        ids = bury(server, 2)
        do("requeue", ids)
        server.xreadgroup("billing", "web-1", {REQUEUED.stream: ">"})
        first, second = pending(server, REQUEUED)
        assert act("ack", [first], requeued=True).done == 1
        assert server.xlen(REQUEUED.stream) == 1
        assert act("ack", [second], requeued=True).done == 1
        assert not server.exists(REQUEUED.stream)
        assert set(pending(server)) == set(group)

    def test_says_what_it_did_before_the_stream_of_requeued_entries_was_gone(self, server, group):
        do("requeue", bury(server, 2))
        server.xreadgroup("billing", "web-1", {REQUEUED.stream: ">"})
        first, second = pending(server, REQUEUED)
        one = begin("ack", [first, second], requeued=True)
        server.xack(REQUEUED.stream, "billing", second)
        server.xdel(REQUEUED.stream, second)
        progress = finish(one)
        assert progress.report() == "1 acknowledged · 1 skipped"
        assert reasons(progress) == {second: "acknowledged already"}

    def test_of_a_requeued_entry_that_was_the_last_is_done_already(self, server, group):
        assert reasons(act("ack", ["1-1"], requeued=True)) == {"1-1": "acknowledged already"}


class TestRetry:
    def test_an_entry_that_waits_is_due_now_with_its_count(self, server, group):
        let_wait(server, group[0], error="ValueError: x", traceback="", handlers=["a"])
        assert act("retry", group[:1]).report() == "1 due now"
        assert server.zscore(KEYS.retry, group[0]) / 1000 <= server.time()[0] + 1
        assert pending(server)[group[0]] == ("~retry", 1)
        assert server.hexists(KEYS.errors, group[0])

    def test_an_abandoned_entry_waits_and_is_due_now(self, server, group):
        assert act("retry", group).done == 3
        assert set(pending(server).values()) == {("~retry", 1)}
        assert server.zrange(KEYS.retry, 0, -1) == [one.encode() for one in group]

    def test_what_a_living_consumer_handles_is_left_alone(self, server, group):
        let_live(server)
        progress = act("retry", group[:1])
        assert progress.report() == "0 due now · 1 skipped"
        assert reasons(progress) == {group[0]: "web-1 is handling it now; it would run twice"}
        assert pending(server)[group[0]] == ("web-1", 1)

    def test_what_another_program_has_just_read_is_left_alone(self, server, group):
        server.zrem(KEYS.consumers, "web-1")
        assert act("retry", group[:1]).skipped == 1

    def test_the_plan_says_that_nobody_runs(self, server, group):
        assert "No consumer of orders/billing runs" in plan(order("retry", group)).warnings[0]
        let_live(server, "web-2")
        assert plan(order("retry", group)).warnings == ()


class TestClaim:
    def test_gives_entries_to_an_existing_consumer(self, server, group):
        let_wait(server, group[0])
        assert act("claim", group).report() == "3 claimed"
        assert set(pending(server).values()) == {("web-2", 1)}

    def test_to_a_consumer_that_is_not_there_is_refused(self, server, group):
        found = plan(order("claim", group, consumer="web-9"))
        assert found.refusal == "the group has no such consumer"
        assert do("claim", group, consumer="web-9").done == 0
        assert b"web-9" not in {row["name"] for row in server.xinfo_consumers(KEY, "billing")}

    def test_the_plan_says_that_the_consumer_does_not_run(self, server, group):
        assert "web-2 does not run" in plan(order("claim", group, consumer="web-2")).warnings[0]

    def test_needs_a_consumer(self, server, group):
        with pytest.raises(ConfigurationError, match="claim needs the option 'consumer'"):
            plan(order("claim", group))

    @pytest.mark.django_db
    def test_what_another_program_acknowledges_is_forgotten(self, server, registry, group):
        registry.register(print, stream="orders", group="billing")
        server.xgroup_createconsumer(KEY, "billing", "foreign")
        let_wait(server, group[0], error="ValueError: x", traceback="", handlers=["a"])
        server.hset(KEYS.progress, group[0], "{}")
        assert do("claim", group[:1], consumer="foreign").done == 1
        server.xack(KEY, "billing", group[0])
        server.zadd(KEYS.retry, {group[0]: 0})  # a while later
        consume()
        assert not server.exists(KEYS.errors, KEYS.progress, KEYS.retry)


class TestBury:
    @pytest.mark.parametrize("garbage", [b"\xff", b"[1]", b'{"error": 5, "handlers": 7, "traceback": null}'], ids=repr)
    def test_of_an_entry_whose_failure_cannot_be_read(self, server, group, garbage):
        server.hset(KEYS.errors, group[0], garbage)
        assert act("dead", group[:1]).done == 1

    def test_keeps_the_last_error_and_names_the_operator(self, server, group):
        let_wait(server, group[0], error="ValueError: x", traceback="Traceback …", handlers=["a"])
        assert act("dead", group[:1]).report() == "1 made a dead letter"
        ((_, letter),) = server.xrange(KEYS.dead)
        assert letter[b"dead_reason"] == b"operator"
        assert letter[b"dead_error"] == b"ValueError: x (made a dead letter by ana)"
        assert letter[b"dead_traceback"].decode() == "Traceback …"
        assert letter[b"dead_handler"] == b"a"
        assert letter[b"dead_entry_id"].decode() == group[0]
        assert letter[b"payload"] == b'{"obj_id":0}'
        assert group[0] not in pending(server)
        assert not server.exists(KEYS.retry, KEYS.errors)

    def test_without_an_error_it_says_who_did_it(self, server, group):
        act("dead", group[:1])
        assert server.xrange(KEYS.dead)[0][1][b"dead_error"] == b"Made a dead letter by ana"

    def test_there_is_one_for_each_handler_that_has_not_finished(self, server, group, registry):
        for name in "abc":
            registry.register(lambda event: None, stream="orders", group="billing", name=name)
        server.hset(KEYS.progress, group[0], json.dumps({"finished": ["a"], "due": {"b": 1.0}, "skipped": {}}))
        act("dead", group[:1])
        assert [letter[b"dead_handler"] for _, letter in server.xrange(KEYS.dead)] == [b"b", b"c"]

    def test_there_is_one_for_all_where_none_has_finished(self, server, group, registry):
        for name in "ab":
            registry.register(lambda event: None, stream="orders", group="billing", name=name)
        server.hset(KEYS.progress, group[0], json.dumps({"finished": [], "due": {"b": 1.0}, "skipped": {}}))
        act("dead", group[:1])
        ((_, letter),) = server.xrange(KEYS.dead)
        assert b"dead_handler" not in letter

    def test_of_a_requeued_entry_keeps_its_first_id(self, server, group):
        do("requeue", bury(server, 1))
        server.xreadgroup("billing", "web-1", {REQUEUED.stream: ">"})
        assert act("dead", pending(server, REQUEUED), requeued=True).done == 1
        ((_, letter),) = server.xrange(KEYS.dead)
        assert letter[b"dead_entry_id"] == b"1700000000000-0"
        assert not server.exists(REQUEUED.stream)


@pytest.mark.parametrize("verb", EVERY_VERB)
class TestEveryVerb:
    def test_is_audited_and_complete(self, server, group, verb):
        progress = act(verb, group)
        assert (progress.done, progress.skipped, progress.scanned, progress.total) == (3, 0, 3, 3)
        ((_, fields),) = server.xrange("t:~audit")
        assert (fields[b"actor"], fields[b"verb"], fields[b"done"]) == (b"ana", verb.encode(), b"3")

    def test_leaves_alone_what_was_acknowledged(self, server, group, verb):
        progress = begin(verb, group, **OPTIONS.get(verb, {}))
        server.xack(KEY, "billing", group[0])
        progress = finish(progress)
        assert (progress.done, reasons(progress)) == (2, {group[0]: "acknowledged already"})

    def test_leaves_alone_what_somebody_else_has_taken(self, server, group, verb):
        progress = begin(verb, group, **OPTIONS.get(verb, {}))
        server.xclaim(KEY, "billing", "web-3", 0, [group[0]], justid=True)
        progress = finish(progress)
        assert (progress.done, reasons(progress)) == (2, {group[0]: "taken by web-3 since you looked"})

    def test_leaves_alone_what_was_delivered_again(self, server, group, verb):
        progress = begin(verb, group, **OPTIONS.get(verb, {}))
        server.xclaim(KEY, "billing", "web-1", 0, [group[0]])
        progress = finish(progress)
        assert (progress.done, reasons(progress)) == (2, {group[0]: "delivered again since you looked"})

    def test_acts_upon_what_the_operator_saw(self, server, group, verb):
        seen = [Target(group[0], "web-1", 1), Target(group[1], "web-1", 7), Target(group[2], "web-8", 1)]
        progress = act(verb, seen)
        assert (progress.done, set(reasons(progress))) == (1, set(group[1:]))

    def test_a_group_that_is_not_there_is_a_reason(self, server, verb):
        publish(1)
        found = plan(order(verb, ["1-1"], **OPTIONS.get(verb, {})))
        assert found.refusal == "the group, or its stream, is not there"
        assert reasons(act(verb, ["1-1"]))["1-1"] == "the group, or its stream, is not there"

    def test_a_key_that_holds_something_else_is_a_reason(self, server, verb):
        server.set(KEY, "x")
        text = "the key holds something else than a stream"
        assert plan(order(verb, ["1-1"], **OPTIONS.get(verb, {}))).refusal == text
        assert reasons(act(verb, ["1-1"]))["1-1"] == text

    def test_two_operators_at_once_do_everything_once(self, server, verb):
        ids = publish(400)
        make_group(server)
        read(server)
        server.xgroup_createconsumer(KEY, "billing", "web-2")
        let_live(server, seconds=-60)
        first = begin(verb, ids, **OPTIONS.get(verb, {}))
        found = []
        threads = [threading.Thread(target=lambda: found.append(finish(first))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.done + one.skipped for one in found] == [400, 400]
        if verb in ("ack", "dead"):
            assert sum(one.done for one in found) == 400
        assert server.xlen(KEYS.dead) == (400 if verb == "dead" else 0)

    def test_a_second_time_changes_nothing(self, server, group, verb):
        progress = begin(verb, group, **OPTIONS.get(verb, {}))
        finish(progress)
        before = pending(server), server.xlen(KEYS.dead)
        finish(progress)
        assert (pending(server), server.xlen(KEYS.dead)) == before


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("verb", EVERY_VERB)
def test_a_slice_whose_reply_was_lost_is_done_once(server, registry, proxy, caplog, verb, nth):
    ids = publish(200)
    make_group(server)
    read(server)
    server.xgroup_createconsumer(KEY, "billing", "web-2")
    let_live(server, seconds=-60)
    progress = begin(verb, ids, **OPTIONS.get(verb, {}))
    proxy.drop("EVALSHA", nth)
    progress = finish_whatever_happens(progress)
    assert proxy.dropped == ["EVALSHA"]
    assert progress.done + progress.skipped == 200
    assert progress.skipped <= (100 if verb in ("ack", "dead") else 0)  # of these nobody knows who did it
    assert server.xlen(KEYS.dead) == (200 if verb == "dead" else 0)
    assert len(pending(server)) == (200 if verb in ("claim", "retry") else 0)
    assert nth == 2 or "operated_perhaps" in caplog.text


@pytest.mark.parametrize("verb", ["retry", "claim", "dead"])
def test_a_deleted_payload_can_only_be_acknowledged(server, group, verb):
    server.xdel(KEY, group[0])
    progress = act(verb, group)
    assert reasons(progress) == {group[0]: "its payload was deleted; acknowledge it instead"}
    assert group[0] in pending(server) or verb == "dead"
    assert act("ack", group[:1]).done == 1


def test_the_plan_of_picked_entries_sees_them_as_they_are(server, group):
    server.xack(KEY, "billing", group[2])
    found = plan(order("ack", [*group, group[0]]))
    assert found.order.targets == (Target(group[0], "web-1", 1), Target(group[1], "web-1", 1), Target(group[2]))
    assert (found.count, found.level, found.permission) == (3, Level.CONFIRM, "stream_events.ack_pendingentry")
    assert found.summary == "Acknowledge 3 entries of orders/billing."
    assert found.warnings == ("1 of them is acknowledged already.",)
    assert (
        found.command == f"python manage.py streams ack orders billing --id {group[0]} --id {group[1]} --id {group[2]}"
    )


def test_the_plan_says_what_may_be_running(server, group):
    let_live(server)
    assert "3 of them may be handled right now" in plan(order("ack", group)).warnings[0]
    assert "They are left alone" in plan(order("retry", group)).warnings[0]
    assert "may run twice" in plan(order("claim", group, consumer="web-2")).warnings[-1]


def test_at_maxmemory_a_refused_dead_letter_is_a_reason(server, group):
    server.config_set("maxmemory", 1)
    try:
        progress = act("dead", group[:1])
        assert reasons(progress) == {group[0]: "Redis is out of memory (maxmemory)"}
        assert act("retry", group[:1]).done == 1
        assert act("claim", group[:1]).done == 1
        assert act("ack", group[:1]).done == 1  # and that the audit is refused is no matter
    finally:
        server.config_set("maxmemory", 0)
    assert server.xlen("t:~audit") == 0


def test_an_order_survives_its_journey(group):
    one = order("claim", [Target("1-1", "web-\\xe9", 3)], requeued=True, consumer="web-2")
    assert Order.load(one.dump()) == one
    assert Order.load(order("ack", where={"state": "waiting"}).dump()).where == {"state": "waiting"}


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"verb": "eat"}'])
def test_what_is_no_order_is_refused(text):
    with pytest.raises(ConfigurationError, match="This is no order"):
        Order.load(text)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (order("ack", ["1-1"], consumer="x"), "ack has no options"),
        (order("claim", ["1-1"], consumr="x"), "Did you mean 'consumer'"),
        (order("ack", ["1-1"], group=""), "ack needs a group"),
        (order("ack"), "needs the ids of entries, or a filter"),
        (order("ack", ["1-1"], where={}), "not both"),
        (order("ack", where={"stat": "waiting"}), "Did you mean 'state'"),
        (order("ack", where={"state": "lost"}), "A state is one of"),
        (order("ack", where={"min_idle": "soon"}), "min_idle is a number of seconds"),
        (order("ack", ["1-1"], stream="~audit"), "no stream of events"),
        (order("ack", ["first"]), "no entry id"),
        (order("ack", where={"since": "yesterday"}), "no entry id"),
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_says_what_to_write(server, wrong, text):
    with pytest.raises(ConfigurationError, match=text):
        plan(wrong)


def test_an_unknown_verb_is_refused():
    with pytest.raises(ConfigurationError, match="There is no verb 'eat'; write one of ack, claim"):
        plan(Order(verb="eat", stream="orders"))
