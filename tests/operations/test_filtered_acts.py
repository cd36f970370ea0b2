"""Acting upon all pending entries that match, up to a boundary, and racing with consumers."""

import threading

import pytest

from stream_events.consuming import Consumer
from stream_events.exceptions import ConfigurationError
from stream_events.operations.plans import Level, Limit, Progress, perform, plan
from tests.conftest import wait_for
from tests.operations.acting import (
    ANA,
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
    """300 entries: 200 that the dead web-1 holds, and 100 that the living web-2 holds."""
    ids = publish(300)
    make_group(server)
    read(server, "web-1", 200)
    read(server, "web-2")
    let_live(server, "web-1", -60)
    let_live(server, "web-2")
    return ids


def test_everything_is_everything_that_was_pending(server, group):
    progress = begin("ack", where={})
    publish(5)
    read(server)
    progress = finish(progress, limit=Limit(rows=70))
    assert (progress.done, progress.scanned, progress.total) == (300, 300, 305)
    assert len(pending(server)) == 5


def test_what_the_filter_does_not_ask_for_is_not_read(server, group):
    server.config_resetstat()
    assert do("ack", where={"consumer": "web-1", "min_deliveries": "1"}).done == 200
    assert server.info("commandstats").keys().isdisjoint({"cmdstat_xrange", "cmdstat_hget", "cmdstat_hmget"})


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"consumer": "web-2"}, 100),
        ({"state": "abandoned"}, 200),
        ({"state": "waiting"}, 3),
        ({"error": "valueerror"}, 2),
        ({"min_deliveries": "2"}, 1),
        ({"min_idle": "3600"}, 0),
    ],
    ids=str,
)
def test_a_filter_takes_what_matches(server, group, where, count):
    if ("state" in where and where["state"] == "waiting") or "error" in where:
        for entry_id in group[:2]:
            let_wait(server, entry_id, error="ValueError: x", traceback="", handlers=["a"])
        let_wait(server, group[2])
    if "min_deliveries" in where:
        server.xclaim(KEY, "billing", "web-1", 0, [group[7]])
    progress = do("ack", where=where)
    assert (progress.done, progress.skipped) == (count, 0)
    assert len(pending(server)) == 300 - count


def test_a_filter_for_retry_takes_what_nobody_handles(server, group):
    progress = do("retry", where={})
    assert (progress.done, progress.skipped) == (200, 100)
    assert len(progress.reasons) == 100
    assert set(reasons(progress).values()) == {"web-2 is handling it now; it would run twice"}


def test_the_boundary_of_the_operator_is_kept(server, group):
    found = plan(order("ack", where={"since": group[10], "until": group[19]}))
    assert (found.order.where["until"], found.count) == (group[19], None)
    assert do("ack", where={"since": group[10], "until": group[19]}).done == 10


def test_a_boundary_beyond_the_last_entry_is_the_last_entry(server, group):
    assert plan(order("ack", where={"until": "9999999999999-0"})).order.where["until"] == group[-1]


def test_the_plan_counts_what_redis_counts(server, group):
    everything = plan(order("dead", where={}))
    assert (everything.count, everything.level) == (300, Level.CONFIRM)
    assert everything.summary == "Make dead letters of 300 entries of orders/billing."
    assert plan(order("dead", where={"consumer": "web-2"})).count == 100
    some = plan(order("dead", where={"state": "abandoned"}))
    assert (some.count, some.summary) == (None, "Make dead letters of all entries of orders/billing that match.")
    assert some.command.startswith("python manage.py streams dead orders billing --state abandoned --until ")


def test_the_requeued_entries_are_a_list_of_their_own(server, group):
    do("requeue", bury(server, 3))
    server.xreadgroup("billing", "web-1", {REQUEUED.stream: ">"})
    assert plan(order("ack", where={}, requeued=True)).count == 3
    assert do("ack", where={}, requeued=True).done == 3
    assert not server.exists(REQUEUED.stream)
    assert len(pending(server)) == 300
    assert do("ack", where={}, requeued=True).done == 0


def test_a_slice_ends_with_its_limit_and_is_audited(server, group):
    progress = begin("ack", where={})
    progress = perform(progress, ANA, Limit(rows=120))
    assert (progress.done, progress.is_complete) == (120, False)
    progress = perform(progress, ANA, Limit(rows=120))
    assert progress.done == 240
    assert [fields[b"done"] for _, fields in server.xrange("t:~audit")] == [b"120", b"120"]
    assert len({fields[b"batch"] for _, fields in server.xrange("t:~audit")}) == 1


def test_a_slice_ends_with_its_time(server, group):
    progress = perform(begin("ack", where={}), ANA, Limit(seconds=0))
    assert (progress.done, progress.place, progress.is_complete) == (0, "", False)


def test_the_ids_of_a_big_order_are_taken_in_slices(server, group):
    progress = finish(begin("ack", group), limit=Limit(rows=130))
    assert (progress.done, progress.scanned, progress.total) == (300, 300, 300)


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("verb", ["ack", "retry", "dead"])
def test_racing_a_running_consumer_loses_nothing(server, registry, settings, verb):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "BACKOFF": 0.01}
    handled = set()

    def handle(event):
        if event.obj_id % 3 == 0 and event.delivery_count < 2:
            raise ValueError(event.obj_id)
        handled.add(event.obj_id)

    registry.register(handle, stream="orders", group="billing", name="a")
    ids = publish(300)
    consumer = Consumer("orders", "billing")
    thread = threading.Thread(target=consumer.run)
    thread.start()
    reports = []

    def is_over():
        reports.append(do(verb, where={}))
        (state,) = server.xinfo_groups(KEY)
        return state["last-delivered-id"].decode() == ids[-1] and not state["pending"]

    try:
        wait_for(lambda: len(handled) > 20)
        wait_for(is_over)
    finally:
        consumer.stop()
        thread.join()
    done = sum(one.done for one in reports)
    if verb == "retry":
        assert len(handled) == 300
    else:
        assert len(handled) + done >= 300
    if verb == "dead":
        assert server.xlen(KEYS.dead) == done
    assert not server.exists(KEYS.retry, KEYS.errors, KEYS.progress)


@pytest.mark.parametrize("text", ["", "{}", '{"order": 1}', "[1]", "null"])
def test_what_is_no_progress_is_refused(text):
    with pytest.raises(ConfigurationError, match="This is no"):
        Progress.load(text)
