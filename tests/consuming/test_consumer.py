"""The consumer as an object, on a real server."""

import threading

import pytest
import redis
from django.test import override_settings

from stream_events import StreamPublisher
from stream_events.consuming import Consumer, database, hand, pace
from stream_events.exceptions import ConfigurationError, RedisUnavailableError
from tests.conftest import wait_for

KEY = "t:orders"

pytestmark = pytest.mark.django_db


class Handled(list):
    """The object ids that were handled; those in ``failing`` raise."""

    def __init__(self):
        super().__init__()
        self.failing = set()
        self.hook = lambda event: None

    def __call__(self, event):
        self.append(event.obj_id)
        self.hook(event)
        if event.obj_id in self.failing:
            raise ValueError(f"{event.obj_id} fails")


@pytest.fixture
def handled(registry, server):
    handled = Handled()
    registry.register(handled, stream="orders", group="billing", name="handled")
    return handled


def publish(*numbers):
    return StreamPublisher("orders").batch_add([{"obj_id": number} for number in numbers])[0]


def consume(**options):
    return Consumer("orders", "billing", **{"drain": True, **options}).run()


def pending(server):
    return [one["message_id"].decode() for one in server.xpending_range(KEY, "billing", "-", "+", 1000)]


def calls(server, command):
    return server.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def test_a_new_group_begins_with_the_first_entry(handled, server):
    publish(1, 2, 3)
    report = consume()
    assert handled == [1, 2, 3]
    assert (report.started, report.left) == (3, 0)
    assert pending(server) == []


def test_a_new_group_begins_at_create_from_and_is_never_moved(handled, server):
    ids = publish(1, 2, 3)
    consume(create_from=ids[1])
    assert handled == [3]
    consume(create_from="0")
    assert handled == [3]


def test_a_new_group_that_begins_at_the_latest_entry_handles_none_before_it(handled):
    publish(1, 2)
    consume(create_from="latest")
    publish(3)
    consume()
    assert handled == [3]


def test_a_group_cannot_begin_at_what_is_no_id(handled):
    with pytest.raises(ConfigurationError, match="create_from is 'yesterday', which is no entry id"):
        Consumer("orders", "billing", create_from="yesterday")


@pytest.mark.parametrize(("option", "value"), [("threads", "4"), ("count", 1.5), ("block", "2")])
def test_an_option_of_another_type_is_refused_at_once(handled, option, value):
    with pytest.raises(ConfigurationError, match=f"{option} must be a .*number.*{value}"):
        Consumer("orders", "billing", **{option: value})


def test_an_entry_written_by_hand_is_handled(handled, server):
    server.xadd(KEY, {"payload": '{"obj_id": 9, "obj_type": "shop.order", "action": "create"}'})
    consume()
    assert handled == [9]


def test_a_batch_is_acknowledged_in_one_command(handled, server, monkeypatch):
    monkeypatch.setattr(hand, "ACK_INTERVAL", 10)
    publish(*range(pace.FIRST))
    server.config_resetstat()
    consume()
    assert calls(server, "xack") == 1
    assert len(handled) == pace.FIRST


def test_a_failing_handler_leaves_its_entry_pending_and_the_rest_go_on(handled, server, caplog):
    ids = publish(1, 2, 3)
    handled.failing = {2}
    report = consume()
    assert handled == [1, 2, 3]
    assert report.left == 1
    assert pending(server) == [ids[1]]
    assert "ValueError: 2 fails" in caplog.text


def test_the_consumer_is_gone_when_it_leaves_nothing(handled, server):
    publish(1)
    consume()
    assert server.xinfo_consumers(KEY, "billing") == []


def test_every_start_has_a_name_of_its_own(handled):
    names = {Consumer("orders", "billing", consumer="web").name for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("web-") for name in names)


def test_max_events_takes_no_more_than_it_handles(handled, server):
    publish(*range(10))
    report = consume(drain=False, max_events=4, count=3)
    assert report.started == 4
    assert handled == [0, 1, 2, 3]
    assert server.xinfo_groups(KEY)[0]["lag"] == 6


def test_max_seconds_ends_it(handled):
    publish(1)
    assert consume(drain=False, max_seconds=0.3).started == 1


def test_max_seconds_ends_it_within_a_batch_and_hands_back_the_rest(handled, server):
    publish(*range(pace.FIRST))
    handled.hook = lambda event: threading.Event().wait(0.2)
    report = consume(drain=False, max_seconds=0.3)
    assert 0 < report.started < pace.FIRST
    handled.hook = lambda event: None
    consume()
    assert handled == list(range(pace.FIRST))


def test_draining_a_group_that_goes_away_ends(handled, server):
    publish(1)
    handled.hook = lambda event: server.delete(KEY)
    assert consume().left == 0


def test_database_connections_are_looked_after_around_a_batch_and_after_a_failure(handled, monkeypatch):
    publish(1, 2, 3)
    handled.failing = {2}
    monkeypatch.setattr(database, "look_after", lambda: handled.append("looked after"))
    consume()
    assert handled == ["looked after", 1, 2, "looked after", 3, "looked after"]


def test_claims_at_its_start_what_was_idle_for_long_enough(handled, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "CLAIM_IDLE": 0.05}
    publish(1, 2)
    server.xgroup_create(KEY, "billing", id="0")
    server.xreadgroup("billing", "killed", {KEY: ">"})
    wait_for(lambda: all(one["time_since_delivered"] > 50 for one in _rows(server)), "idle entries")
    publish(3)
    consume()
    assert handled == [1, 2, 3]
    assert pending(server) == []


def _rows(server):
    return server.xpending_range(KEY, "billing", "-", "+", 10)


def test_entries_that_fail_again_and_again_keep_no_new_one_waiting(handled, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "BACKOFF": 0.001, "MAX_DELIVERIES": 100}
    publish(*range(50))
    handled.failing = set(range(50))
    consume()
    publish(99)
    consume(drain=False, count=10, max_events=21)
    assert handled.index(99) <= 50 + 20


def test_leaves_alone_what_another_consumer_has_just_taken(handled, server):
    publish(1)
    server.xgroup_create(KEY, "billing", id="0")
    server.xreadgroup("billing", "living", {KEY: ">"})
    assert consume().left == 1
    assert handled == []


def test_claims_a_long_list_page_by_page(handled, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "CLAIM_IDLE": 0.01}
    publish(*range(250))
    server.xgroup_create(KEY, "billing", id="0")
    server.xreadgroup("billing", "killed", {KEY: ">"})
    wait_for(lambda: _rows(server)[0]["time_since_delivered"] > 20, "idle entries")
    consume(count=20)
    assert handled == list(range(250))


def test_stopping_finishes_the_running_entry_and_hands_back_the_rest(handled, server, settings):
    publish(*range(10))
    consumer = Consumer("orders", "billing")
    handled.hook = lambda event: consumer.stop() if event.obj_id == 3 else None
    assert consumer.run().started == 4
    assert len(pending(server)) == 6
    handled.hook = lambda event: None
    consume()
    assert handled == list(range(10))
    assert pending(server) == []


def test_stopping_wakes_a_consumer_that_waits(handled, server):
    consumer = Consumer("orders", "billing", block=60)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    wait_for(lambda: any(one["cmd"] == "xreadgroup" for one in server.client_list()), "a read that waits")
    consumer.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_what_is_finished_is_acknowledged_while_slow_handlers_run(handled, server):
    publish(1, 2)
    seen = []

    def slow(event):
        if event.obj_id == 2:
            seen.append(wait_for(lambda: len(pending(server)) == 1, "the acknowledgement of the first"))

    handled.hook = slow
    consume()
    assert seen == [True]


def test_a_group_that_is_destroyed_is_made_again(handled, server, caplog):
    publish(1, 2)
    consumer = Consumer("orders", "billing", max_events=4)
    handled.hook = lambda event: server.xgroup_destroy(KEY, "billing") if len(handled) == 2 else None
    consumer.run()
    assert handled == [1, 2, 1, 2]
    assert "group_recreated" in caplog.text


def test_a_flushed_server_is_no_end(handled, server):
    publish(1)
    consumer = Consumer("orders", "billing", max_events=2, block=30)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    wait_for(lambda: handled == [1], "the first event")
    wait_for(lambda: any(one["cmd"] == "xreadgroup" for one in server.client_list()), "a read that waits")
    server.flushall()
    publish(2)
    thread.join(20)
    assert handled == [1, 2]


def test_waiting_for_redis_backs_off_and_ends_with_max_seconds(handled, caplog):
    with override_settings(STREAM_EVENTS={"URL": "redis://127.0.0.1:1/0"}):
        consumer = Consumer("orders", "billing", max_seconds=1.2)
        assert consumer.join() is False
        assert consumer.run().started == 0
        assert consumer.join() is False  # the time is over, and stays so
    assert 2 <= caplog.text.count("redis_unavailable") <= 3
    assert "next attempt in 0.5 s" in caplog.text


@pytest.mark.parametrize(
    "options",
    [{"count": 0}, {"max_events": -1}, {"block": 0}, {"max_seconds": 0}, {"consumer": "web 1"}, {"consumer": "wéb"}],
)
def test_options_that_cannot_be_are_refused(handled, options):
    with pytest.raises(ConfigurationError):
        Consumer("orders", "billing", **options)


def test_draining_does_not_wait_for_a_server_that_refuses(handled, server, monkeypatch):
    consumer = Consumer("orders", "billing", drain=True)
    server.execute_command("ACL", "SETUSER", "default", "-xreadgroup")
    try:
        with pytest.raises(RedisUnavailableError, match="permissions"):
            consumer.run()
    finally:
        server.execute_command("ACL", "SETUSER", "default", "+xreadgroup")


def test_an_unknown_group_is_refused_before_anything_is_read(handled):
    with pytest.raises(ConfigurationError, match="Did you mean: orders billing"):
        Consumer("orders", "bilings")


def test_any_broken_registration_in_the_project_is_refused(handled, registry):
    registry.register(lambda: None, stream="users", group="crm")
    with pytest.raises(ConfigurationError, match="stream 'users', group 'crm'"):
        Consumer("orders", "billing")


def test_a_key_of_another_type_is_refused(handled, server):
    server.set(KEY, "text")
    with pytest.raises(ConfigurationError, match="not a stream"):
        consume()


def test_draining_does_not_wait_for_redis(handled):
    with (
        override_settings(STREAM_EVENTS={"URL": "redis://:secret@127.0.0.1:1/0"}),
        pytest.raises(RedisUnavailableError, match=r"redis://127\.0\.0\.1:1/0 cannot be reached"),
    ):
        consume()


def test_draining_waits_for_what_is_due_within_max_seconds(handled, server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "BACKOFF": 0.3}
    publish(1)
    handled.failing = {1}
    handled.hook = lambda event: handled.failing.clear() if len(handled) == 2 else None
    assert consume(max_seconds=20).left == 0
    assert handled == [1, 1]


def test_a_lost_acknowledgement_is_sent_again_and_nothing_runs_twice(handled, server, monkeypatch):
    publish(1, 2)
    consumer = Consumer("orders", "billing", max_events=3)
    real, failures = consumer._group.ack, [redis.ConnectionError("lost")]

    def ack(ids):
        if failures:
            raise failures.pop()
        real(ids)

    monkeypatch.setattr(consumer._group, "ack", ack)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    wait_for(lambda: len(handled) == 2 and not pending(server), "the acknowledgement")
    publish(3)
    thread.join(20)
    assert handled == [1, 2, 3]
