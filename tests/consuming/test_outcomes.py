"""What becomes of entries: by what their handlers return and raise, alone and together."""

import json
import threading
import time

import pytest
from django.db import OperationalError, connections

from stream_events import Reject, Retry, StreamPublisher
from stream_events.consuming import Consumer, database
from stream_events.exceptions import ConfigurationError
from stream_events.keys import group_keys, requeue_keys
from stream_events.operations.dead_letters import dead_letters as list_letters
from stream_events.operations.dead_letters import entry_fields, requeue
from tests.conftest import wait_for
from tests.consuming.test_group import make_group

KEYS = group_keys("orders", "billing", "t:")
REQUEUED = requeue_keys("orders", "billing", "t:")

pytestmark = pytest.mark.django_db(databases=["default", "other"])


class Calls(list):
    """Handlers that note their calls as (name, object, delivery count) and do what ``plan`` says of them."""

    def __init__(self, registry):
        super().__init__()
        self.plan = {}
        self.on_call = lambda name, number: None
        self._registry = registry

    def register(self, name, **options):
        def handle(events):
            batch = events if isinstance(events, list) else [events]
            self.append((name, *(event.obj_id for event in batch), batch[0].delivery_count))
            for event in batch:
                self.on_call(name, event.obj_id)
                outcomes = self.plan.get((name, event.obj_id), [])
                if outcomes and (outcome := outcomes.pop(0)):
                    raise outcome

        self._registry.register(handle, stream="orders", group="billing", name=name, **options)


@pytest.fixture
def calls(registry, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "BACKOFF": 0.01}
    return Calls(registry)


def publish(*numbers, **payload):
    return StreamPublisher("orders").batch_add([{"obj_id": number, **payload} for number in numbers])[0]


def consume(**options):
    return Consumer("orders", "billing", **{"drain": True, "max_seconds": 20, **options}).run()


def dead_letters(server):
    return [
        (fields[b"dead_handler"].decode(), fields[b"dead_reason"].decode()) for _, fields in server.xrange(KEYS.dead)
    ]


def leftovers(server):
    """Keys that should be there no more when everything is handled."""
    return set(server.keys()) - {key.encode() for key in (KEYS.stream, KEYS.dead, KEYS.cursor)}


def test_a_failure_is_tried_again_with_its_count(calls, server):
    calls.register("a")
    calls.plan = {("a", 1): [ValueError(), None]}
    publish(1, 2)
    report = consume()
    assert sorted(calls) == [("a", 1, 1), ("a", 1, 2), ("a", 2, 1)]
    assert (report.started, report.failed, report.left) == (3, 1, 0)
    assert leftovers(server) == set()


def test_retry_says_when(calls, server):
    calls.register("a")
    calls.plan = {("a", 1): [Retry(after=60)]}
    publish(1)
    assert consume(max_seconds=None).left == 1
    ((_, due),) = server.zrange(KEYS.retry, 0, -1, withscores=True)
    seconds, _ = server.time()
    assert 58_000 < due - seconds * 1000 <= 61_000


@pytest.mark.parametrize("after", ["soon", -1, float("inf"), float("nan")])
def test_retry_refuses_what_is_no_time(after):
    with pytest.raises(ValueError, match=r"number|float"):
        Retry(after=after)


def test_a_dead_letter_keeps_the_beginning_of_a_long_error(calls, server):
    calls.register("a")
    calls.plan = {("a", 1): [Reject("x" * 1_000_000)]}
    publish(1)
    consume()
    ((_, fields),) = server.xrange(KEYS.dead)
    assert fields[b"dead_error"] == b"Reject: " + b"x" * 8184
    assert len(fields[b"dead_traceback"]) == 8192


def test_a_reject_is_a_dead_letter_at_once(calls, server):
    calls.register("a")
    calls.plan = {("a", 1): [Reject("no such customer")]}
    (entry_id,) = publish(1)
    assert consume().dead == 1
    ((_, fields),) = server.xrange(KEYS.dead)
    assert fields[b"dead_reason"] == b"rejected"
    assert fields[b"dead_error"] == b"Reject: no such customer"
    assert fields[b"dead_entry_id"].decode() == entry_id
    assert leftovers(server) == set()


def test_an_asking_for_ever_ends_as_well(calls, server):
    calls.register("a", max_deliveries=3)
    calls.plan = {("a", 1): [Retry(after=0)] * 10}
    publish(1)
    consume()
    assert calls == [("a", 1, 1), ("a", 1, 2), ("a", 1, 3)]
    assert dead_letters(server) == [("a", "max_deliveries")]


def test_a_function_can_say_how_long_to_back_off(calls):
    asked = []
    calls.register("a", backoff=lambda deliveries: asked.append(deliveries) or 0.0)
    calls.plan = {("a", 1): [ValueError(), ValueError(), None]}
    publish(1)
    consume()
    assert asked == [1, 2]


@pytest.mark.parametrize("answer", [float("inf"), "soon", None])
def test_a_function_that_says_nonsense_is_not_the_end(calls, answer):
    calls.register("a", backoff=lambda deliveries: answer)
    calls.plan = {("a", 1): [ValueError(), None]}
    publish(1)
    assert consume().left == 0


def test_each_handler_has_its_own_outcome(calls, server):
    for name in ("fine", "slow", "never", "late"):
        calls.register(name, max_deliveries=3 if name == "never" else 10)
    calls.plan = {
        ("slow", 1): [ValueError(), None],
        ("never", 1): [ValueError("no")] * 10,
        ("late", 1): [Retry(after=0.5), None],
    }
    publish(1)
    consume()
    counts = {name: [count for one, _, count in calls if one == name] for name in ("fine", "slow", "never", "late")}
    assert counts == {"fine": [1], "slow": [1, 2], "never": [1, 2, 3], "late": [1, 2]}
    assert dead_letters(server) == [("never", "max_deliveries")]
    assert leftovers(server) == set()


def test_a_handler_that_is_not_registered_any_more_is_not_waited_for(calls, registry, server):
    calls.register("here")
    calls.register("gone")
    calls.plan = {("gone", 1): [Retry(after=0.1)]}
    publish(1)
    consume(max_seconds=None)
    del registry._handlers["orders", "billing", "gone"]
    report = consume()
    assert report.left == 0
    assert report.started == 1
    assert calls == [("here", 1, 1), ("gone", 1, 1)]


def test_an_error_that_cannot_say_what_it_is_is_an_error(calls, server):
    class SpeechlessError(Exception):
        def __str__(self):
            raise RuntimeError

    calls.register("a", max_deliveries=1)
    calls.plan = {("a", 1): [SpeechlessError()]}
    publish(1)
    consume()
    assert dead_letters(server) == [("a", "max_deliveries")]


def test_a_batch_handler_gets_as_many_as_there_are_up_to_its_size(calls):
    calls.register("a", batch=4)
    publish(*range(10))
    consume()
    assert calls == [("a", 0, 1, 2, 3, 1), ("a", 4, 5, 6, 7, 1), ("a", 8, 9, 1)]


def test_a_failing_batch_is_tried_one_by_one(calls, server):
    calls.register("a", batch=10)
    calls.plan = {("a", 1): [ValueError(), Reject("bad")]}
    publish(0, 1, 2)
    consume()
    assert calls == [("a", 0, 1, 2, 1), ("a", 0, 1), ("a", 1, 1), ("a", 2, 1)]
    assert dead_letters(server) == [("a", "rejected")]


def test_batches_and_single_events_of_one_group(calls):
    calls.register("one")
    calls.register("many", batch=2)
    publish(1, 2, 3)
    consume()
    assert calls == [("one", 1, 1), ("one", 2, 1), ("many", 1, 2, 1), ("one", 3, 1), ("many", 3, 1)]


def errors(server, keys=KEYS):
    """What is kept of the last failure of entries that wait."""
    return [json.loads(kept) for kept in server.hvals(keys.errors)]


class TestErrorsOfWaitingEntries:
    def test_are_kept_while_they_wait(self, calls, server):
        calls.register("a", backoff=60)
        calls.plan = {("a", 1): [ValueError("no such\ncustomer"), Retry("later", after=60), None]}
        (entry_id,) = publish(1)
        for error in ("ValueError: no such customer", "Retry: later"):
            consume(max_seconds=None)
            (kept,) = errors(server)
            assert (kept["error"], kept["handlers"]) == (error, ["a"])
            assert "Traceback" in kept["traceback"]
            server.zadd(KEYS.retry, {entry_id: 0})
        consume()
        assert len(calls) == 3
        assert leftovers(server) == set()

    def test_are_one_line_and_no_longer_than_a_page_wants(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [type("Broken", (Retry,), {})("x\n" * 5000, after=60)]}
        publish(1)
        consume(max_seconds=None)
        (kept,) = errors(server)
        assert kept["error"].startswith("Broken: x x x")
        assert (len(kept["error"]), len(kept["traceback"])) == (500, 2000)

    def test_name_the_handlers_that_are_called_again(self, calls, server):
        for name in "abc":
            calls.register(name)
        calls.plan = {("a", 1): [Retry("x", after=60)], ("c", 1): [Retry("y", after=60)]}
        publish(1)
        consume(max_seconds=None)
        assert [(kept["error"], kept["handlers"]) for kept in errors(server)] == [("Retry: y", ["a", "c"])]

    def test_go_with_the_dead_letter(self, calls, server):
        calls.register("a", max_deliveries=2)
        calls.plan = {("a", 1): [ValueError("x"), ValueError("x")]}
        publish(1)
        assert consume().dead == 1
        assert leftovers(server) == set()

    def test_stay_when_an_entry_is_handed_back(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [Retry("x", after=0.01)]}
        calls.on_call = lambda name, number: None
        publish(1)
        consume(max_events=1)
        group = make_group("two")
        wait_for(lambda: (found := group.due(10).entries) and group.hand_back(found) == [])
        assert [kept["error"] for kept in errors(server)] == ["Retry: x"]

    def test_of_a_requeued_entry_lie_apart(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [Reject("bug"), Retry("again", after=60)]}
        publish(1)
        consume()
        requeue("orders", "billing", [server.xrange(KEYS.dead)[0][0].decode()])
        consume(max_seconds=None)
        assert errors(server) == []
        assert [kept["error"] for kept in errors(server, REQUEUED)] == ["Retry: again"]

    def test_go_when_the_entry_is_not_pending_any_more(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [Retry("x", after=60)]}
        (entry_id,) = publish(1)
        consume(max_seconds=None)
        server.xack(KEYS.stream, "billing", entry_id)  # by another tool
        server.zadd(KEYS.retry, {entry_id: 0})
        consume()
        assert leftovers(server) == set()

    def test_go_when_the_stream_is_trimmed(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [Retry("x", after=0.01)]}
        publish(1)
        consume(max_events=1)
        server.xtrim(KEYS.stream, maxlen=0)
        time.sleep(0.02)
        assert consume().trimmed == 1
        assert leftovers(server) == set()

    def test_go_with_a_group_that_begins_anew(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [Retry("x", after=60)]}
        publish(1)
        consume(max_seconds=None)
        server.xgroup_destroy(KEYS.stream, "billing")
        server.delete(KEYS.cursor)
        consume()
        assert len(calls) == 2
        assert not server.exists(KEYS.errors)

    def test_that_are_refused_letters_wait_with_them(self, calls, server):
        calls.register("a")
        calls.plan = {("a", 1): [Reject("bug")]}
        publish(1)
        server.set(KEYS.dead, "no stream")
        consume(max_events=1)
        assert [(kept["error"], kept["handlers"]) for kept in errors(server)] == [("Reject: bug", ["a"])]
        server.delete(KEYS.dead)
        consume()
        assert len(calls) == 2


def test_an_event_that_nobody_wants_is_counted(calls, server):
    calls.register("a", actions=["delete"])
    publish(1, action="create")
    assert consume().unhandled == 1
    assert leftovers(server) == set()


def test_an_event_that_nobody_wants_can_be_a_dead_letter(calls, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "UNHANDLED": "dead"}
    calls.register("a", actions=["delete"])
    publish(1, action="create")
    assert consume().dead == 1
    assert server.xrange(KEYS.dead)[0][1][b"dead_reason"] == b"unhandled"


def test_requeued_dead_letters_go_to_their_handler_alone_and_once(calls, server):
    calls.register("fine")
    calls.register("broken")
    calls.plan = {("broken", 1): [Reject("bug")]}
    publish(1)
    consume()
    ((letter_id, letter),) = server.xrange(KEYS.dead)
    assert requeue("orders", "billing", [letter_id.decode()]) == [letter_id.decode()]
    assert requeue("orders", "billing", [letter_id.decode()]) == []
    consume()
    assert calls == [("fine", 1, 1), ("broken", 1, 1), ("broken", 1, 1)]
    assert server.xlen(KEYS.dead) == 0
    assert leftovers(server) == set()
    assert entry_fields(letter)[b"payload"]


def test_a_requeued_event_is_the_same_event_and_can_fail_again(calls, server, registry):
    events = []
    registry.register(events.append, stream="orders", group="billing", name="seen")
    calls.register("a", max_deliveries=2)
    calls.plan = {("a", 1): [Reject("bug"), ValueError("still"), ValueError("still")]}
    (entry_id,) = publish(1)
    consume()
    ((letter_id, _),) = server.xrange(KEYS.dead)
    requeue("orders", "billing", [letter_id.decode()])
    consume()
    ((_, again),) = server.xrange(KEYS.dead)
    assert again[b"dead_entry_id"].decode() == entry_id
    assert again[b"dead_reason"] == b"max_deliveries"
    assert again[b"event_id"].decode() == events[0].event_id
    assert calls == [("a", 1, 1), ("a", 1, 1), ("a", 1, 2)]
    assert len(events) == 1
    assert leftovers(server) == set()


def test_draining_counts_what_was_requeued(calls, server):
    calls.register("a")
    calls.plan = {("a", 1): [Reject("bug"), Retry(after=60)]}
    publish(1)
    consume()
    requeue("orders", "billing", [server.xrange(KEYS.dead)[0][0].decode()])
    assert consume(max_seconds=None).left == 1


def test_a_requeued_letter_for_a_handler_that_is_gone_is_kept(calls, server, registry):
    calls.register("a")
    calls.register("gone")
    calls.plan = {("gone", 1): [Reject("bug")]}
    publish(1)
    consume()
    del registry._handlers["orders", "billing", "gone"]
    requeue("orders", "billing", [server.xrange(KEYS.dead)[0][0].decode()])
    consume()
    ((_, letter),) = server.xrange(KEYS.dead)
    assert letter[b"dead_reason"] == b"unhandled"
    assert b"There is no handler 'gone'" in letter[b"dead_error"]


def test_an_entry_with_too_many_fields_can_be_read_from_its_dead_letter(calls, server):
    calls.register("a")
    fields = {f"field{number}".encode(): "ä".encode() for number in range(5000)}
    server.xadd(KEYS.stream, fields)
    consume()
    ((_, letter),) = server.xrange(KEYS.dead)
    assert entry_fields(letter) == fields


class Away:
    """A database that nobody reaches until it is ``back``."""

    def __init__(self, monkeypatch):
        self.back = threading.Event()
        self.probes = 0
        monkeypatch.setattr(database, "is_there", self._is_there)
        monkeypatch.setattr(database, "probe_intervals", lambda: iter([0.02] * 10_000))

    def _is_there(self):
        self.probes += 1
        return self.back.is_set()


@pytest.fixture
def away(monkeypatch):
    return Away(monkeypatch)


def test_while_the_database_is_away_nothing_counts_and_all_goes_on_afterwards(calls, server, away):
    calls.register("a")
    calls.plan = {("a", 1): [OperationalError(), OperationalError(), None]}
    threading.Timer(0.3, away.back.set).start()
    publish(0, 1, 2)
    report = consume()
    # The second outage is over when it is looked at: so it is an ordinary failure.
    assert [count for _, number, count in calls if number == 1] == [1, 1, 2]
    assert (report.failed, report.left, report.dead) == (1, 0, 0)


def test_a_long_outage_leaves_to_others_what_was_not_started(calls, server, settings, away):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "LEASE": 0.3, "BLOCK": 0.05}
    calls.register("a")
    calls.plan = {("a", 0): [OperationalError()]}
    publish(0, 1, 2)
    consumer = Consumer("orders", "billing")
    thread = threading.Thread(target=consumer.run)
    thread.start()
    wait_for_owner(server, b"~retry", 3)
    assert {one["times_delivered"] for one in server.xpending_range(KEYS.stream, "billing", "-", "+", 10)} == {0}
    away.back.set()
    wait_for_owner(server, None, 0)
    consumer.stop()
    thread.join(20)
    assert calls == [("a", 0, 1), ("a", 0, 1), ("a", 1, 1), ("a", 2, 1)]


def wait_for_owner(server, owner, count):
    def held():
        rows = server.xpending_range(KEYS.stream, "billing", "-", "+", 10) if server.exists(KEYS.stream) else []
        return [row for row in rows if owner in (None, row["consumer"])]

    wait_for(lambda: server.exists(KEYS.consumers) and len(held()) == count, f"{count} entries with {owner}")


def test_a_batch_that_meets_an_outage_is_tried_as_a_batch_again(calls, server, away):
    calls.register("a", batch=10)
    calls.plan = {("a", 1): [OperationalError(), None]}
    threading.Timer(0.2, away.back.set).start()
    publish(0, 1, 2)
    assert consume().failed == 0
    assert calls == [("a", 0, 1, 2, 1), ("a", 0, 1, 2, 1)]


def test_stopping_during_an_outage_hands_everything_back(calls, server, away):
    calls.register("a")
    calls.plan = {("a", 0): [OperationalError()]}
    publish(0, 1)
    consumer = Consumer("orders", "billing")
    thread = threading.Thread(target=consumer.run)
    thread.start()
    wait_for(lambda: away.probes > 1, "the outage")
    consumer.stop()
    thread.join(20)
    assert not thread.is_alive()
    rows = server.xpending_range(KEYS.stream, "billing", "-", "+", 10)
    assert [(row["consumer"], row["times_delivered"]) for row in rows] == [(b"~retry", 0), (b"~retry", 0)]


def test_a_database_that_answers_a_new_connection_is_there():
    connections["default"].ensure_connection()
    assert database.is_there() is True
    assert database.is_outage(OperationalError("no such table")) is False


def test_a_database_that_does_not_is_away(monkeypatch, tmp_path):
    connection = connections["default"]
    connection.ensure_connection()
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "no folder" / "database"))
    assert database.is_there() is False
    assert database.is_outage(OperationalError()) is True
    assert database.is_outage(ValueError()) is False


def test_a_batch_handler_of_the_group_keeps_no_stop_waiting(calls, server):
    calls.register("many", batch=500)
    calls.register("one")
    publish(*range(8))
    consumer = Consumer("orders", "billing")
    calls.plan = {}
    calls.on_call = lambda name, number: consumer.stop() if (name, number) == ("one", 2) else None
    consumer.run()
    assert [number for name, number, *_ in calls if name == "one"] == [0, 1, 2]
    calls.on_call = lambda name, number: None
    consume()
    assert sorted(number for name, number, *_ in calls if name == "one") == list(range(8))
    assert leftovers(server) == set()


def test_a_batch_that_meets_an_outage_repeats_nothing_that_was_done(calls, server, away):
    calls.register("one")
    calls.register("many", batch=10)
    calls.plan = {("one", 2): [OperationalError(), None]}
    threading.Timer(0.2, away.back.set).start()
    publish(0, 1, 2, 3)
    consume()
    assert [number for name, number, *_ in calls if name == "one"] == [0, 1, 2, 2, 3]


def test_a_requeued_entry_whose_stream_is_gone_holds_nothing_up(calls, server):
    calls.register("a")
    calls.plan = {("a", 1): [Reject("bug"), ValueError("again")]}
    publish(1)
    consume()
    requeue("orders", "billing", [server.xrange(KEYS.dead)[0][0].decode()])
    flushed = []
    calls.on_call = lambda name, number: flushed or flushed.append(server.flushall())
    thread = threading.Thread(target=(consumer := Consumer("orders", "billing")).run)
    thread.start()
    wait_for(lambda: flushed, "the lost data")
    publish(*range(10, 15))
    wait_for(lambda: {number for _, number, *_ in calls} >= set(range(10, 15)), "the new events")
    consumer.stop()
    thread.join(20)


def test_draining_says_what_it_has_not_read(calls):
    calls.register("a")
    publish(*range(30))
    assert consume(max_events=10, max_seconds=None).left == 20


def test_a_lost_group_goes_on_at_its_mark_whatever_the_start_says(calls, server):
    calls.register("a")
    publish(1)
    consume()
    server.xgroup_destroy(KEYS.stream, "billing")
    publish(2)
    consume(create_from="$")
    assert [number for _, number, _ in calls] == [1, 2]


def test_dead_letters_are_listed_page_by_page(calls, server):
    calls.register("a")
    ids = publish(1, 2, 3)
    calls.plan = {("a", number): [Reject(f"bug {number}")] for number in (1, 2, 3)}
    consume()
    first, second = list_letters("orders", "billing", size=2)
    (third,) = list_letters("orders", "billing", after=second.id)
    assert [one.reasons["entry_id"] for one in (first, second, third)] == ids
    assert third.reasons["error"] == "Reject: bug 3"
    assert set(first.fields) == {b"payload", b"event_id"}


@pytest.mark.parametrize("ids", ["1-1", ["x"], ["1-1", ""]])
def test_requeue_refuses_what_is_no_list_of_ids(server, ids):
    with pytest.raises(ConfigurationError):
        requeue("orders", "billing", ids)


def test_a_short_wait_is_not_as_long_as_a_read(calls, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "BLOCK": 5.0, "LEASE": 60}
    calls.register("a")
    calls.plan = {("a", 1): [Retry(after=0.1), None]}
    publish(1)
    consumer = Consumer("orders", "billing", max_events=2, max_seconds=4)
    assert consumer.run().started == 2


def test_a_kind_of_event_that_nobody_wants_is_named_once(calls, caplog):
    calls.register("a", actions=["creat"])
    publish(1, 2, action="create")
    consume()
    assert caplog.text.count("event_unhandled stream=orders group=billing obj_type='' action='create'") == 1
