"""What streams and groups looked like, minute by minute."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from stream_events import StreamPublisher
from stream_events.consuming import Consumer
from stream_events.keys import NO_GROUP
from stream_events.operations import history
from stream_events.operations.history import Span, history_size, purge_history, recent_series, series, take_sample
from stream_events.operations.samples import TIERS, Sample, packed, put, unpacked
from tests.conftest import wait_for
from tests.consuming.test_group import SHAPES

KEY = "t:orders"


@pytest.fixture(autouse=True)
def _registered(registry, server, settings, monkeypatch):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}
    registry.register(lambda event: None, stream="orders", group="billing", name="billing")
    monkeypatch.setattr(history, "_asked", None)


def early_in_a_minute(server):
    wait_for(lambda: server.time()[0] % 60 < 50, "the next minute")


@pytest.fixture
def now(server):
    """The middle of the server's minute, which does not end before the test."""
    early_in_a_minute(server)
    seconds, _ = server.time()
    return datetime.fromtimestamp(seconds - seconds % 60 + 30, tz=UTC)


def publish(count):
    ids, _ = StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(count)])
    return ids


def consume(server, count, *, acknowledge=0):
    ((_, found),) = server.xreadgroup("billing", "one", {KEY: ">"}, count=count)
    if acknowledge:
        server.xack(KEY, "billing", *(entry_id for entry_id, _ in found[:acknowledge]))


@pytest.mark.parametrize("numbers", [[], [None], [0], [0, None, 1, 126, 127, 128, 2**40]], ids=str)
def test_numbers_are_what_they_were_after_they_were_packed(numbers):
    assert unpacked(packed(numbers)) == numbers


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rates_are_what_counters_gained_in_a_minute(settings, server, now, shape):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": shape}
    publish(4)
    server.xgroup_create(KEY, "billing", id="0")
    consume(server, 1)
    assert take_sample(now - timedelta(minutes=2))
    publish(6)
    consume(server, 5, acknowledge=3)
    assert take_sample(now - timedelta(minutes=1))
    consume(server, 4, acknowledge=4)
    assert take_sample(now)
    *_, second, third = series("orders", "billing", Span.HOUR).points
    assert (second.incoming, second.handled, second.pending, second.lag) == (6, 3, 3, 4)
    assert (third.incoming, third.handled, third.pending, third.lag) == (0, 4, 3, 0)
    assert third.at == now.replace(second=0, microsecond=0)


def test_a_stream_without_a_group_knows_what_came_in(now):
    publish(1)
    take_sample(now - timedelta(minutes=1))
    publish(5)
    take_sample(now)
    point = series("orders", NO_GROUP, Span.HOUR).points[-1]
    assert (point.incoming, point.handled, point.lag, point.pending) == (5, None, None, None)


@pytest.mark.parametrize(
    ("span", "count", "step"), [(Span.HOUR, 60, 60), (Span.DAY, 1440, 60), (Span.WEEK, 1008, 600)]
)
def test_points_are_evenly_spaced_and_none_where_there_is_no_sample(now, span, count, step):
    publish(1)
    take_sample(now)
    points = series("orders", NO_GROUP, span).points
    assert len(points) == count
    assert {(after.at - before.at).total_seconds() for before, after in pairwise(points)} == {step}
    assert [point.incoming for point in points] == [None] * count


def test_what_happened_in_a_minute_that_nobody_sampled_is_not_lost(now):
    publish(1)
    take_sample(now - timedelta(minutes=4))
    publish(8)
    take_sample(now)
    rates = [point.incoming for point in series("orders", NO_GROUP, Span.HOUR).points[-4:]]
    assert rates == [None, None, None, 2]


def test_a_counter_that_goes_backwards_is_a_gap_and_no_negative_rate(server, now):
    publish(5)
    take_sample(now - timedelta(minutes=2))
    server.delete(KEY)
    publish(2)
    take_sample(now - timedelta(minutes=1))
    publish(3)
    take_sample(now)
    assert [point.incoming for point in series("orders", NO_GROUP, Span.HOUR).points[-2:]] == [None, 3]


def test_what_redis_does_not_know_is_a_gap(server, now):
    ids = publish(5)
    server.xgroup_create(KEY, "billing", id="0")
    consume(server, 2, acknowledge=2)
    take_sample(now - timedelta(minutes=1))
    server.xgroup_setid(KEY, "billing", ids[2])
    take_sample(now)
    point = series("orders", "billing", Span.HOUR).points[-1]
    assert (point.handled, point.lag, point.pending) == (None, None, 0)


def test_the_first_minute_of_an_hour_follows_the_last_one_of_the_hour_before(server, now):
    on_the_hour = now.replace(minute=0)
    publish(1)
    take_sample(on_the_hour - timedelta(minutes=1))
    publish(7)
    take_sample(on_the_hour)
    points = {point.at: point for point in series("orders", NO_GROUP, Span.DAY).points}
    assert points[on_the_hour.replace(second=0)].incoming == 7


def test_a_step_that_still_fills_has_the_rate_of_the_time_that_it_had(server, now):
    ten = now.replace(minute=now.minute - now.minute % 10)
    publish(1)
    take_sample(ten - timedelta(minutes=1))
    publish(10)
    take_sample(ten)
    publish(20)
    take_sample(ten + timedelta(minutes=1))
    points = {point.at: point for point in series("orders", NO_GROUP, Span.WEEK).points}
    assert points[ten.replace(second=0)].incoming == 15


def test_many_groups_are_asked_about_at_once(server, now):
    publish(2)
    server.xgroup_create(KEY, "billing", id="0")
    take_sample(now)
    before = server.info("stats")["total_reads_processed"]
    names = [("orders", "billing"), ("orders", NO_GROUP), ("users", NO_GROUP)]
    assert list(recent_series(names)) == names
    assert server.info("stats")["total_reads_processed"] - before == 3  # the time, the samples, and our question


def test_a_minute_is_sampled_once(now):
    publish(1)
    assert take_sample(now)
    assert not take_sample(now + timedelta(seconds=5))
    assert take_sample(now + timedelta(minutes=1))


def test_exactly_one_of_two_processes_wins_a_minute(server, settings):
    publish(1)
    early_in_a_minute(server)
    code = (
        "import django; django.setup()\n"
        "from stream_events.operations.history import take_sample\n"
        "from tests.settings import STREAM_EVENTS\n"
        "from django.conf import settings\n"
        f"settings.STREAM_EVENTS = {settings.STREAM_EVENTS!r}\n"
        "print(take_sample())\n"
    )
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate(timeout=60)[0].strip() for process in processes) == ["False", "True"]


def test_a_process_asks_redis_once_a_minute(server):
    early_in_a_minute(server)
    assert take_sample()
    before = server.info("stats")["total_commands_processed"]
    assert not take_sample()
    assert server.info("stats")["total_commands_processed"] - before == 1  # our question


@pytest.mark.django_db
def test_a_consumer_takes_samples(server):
    publish(3)
    consumer = Consumer("orders", "billing")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(consumer.run)
        wait_for(lambda: server.exists("{t:orders}:stats:groups"), "a sample")
        consumer.stop()
        running.result(20)
    assert any(point.pending is not None for point in series("orders", "billing", Span.HOUR).points)


def test_nothing_is_kept_where_metrics_are_off(settings, server, now):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": False}}
    publish(1)
    assert not take_sample(now)
    assert not server.exists("{t:orders}:stats:groups")


def test_a_redis_that_does_not_answer_is_a_gap(settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "URL": "redis://127.0.0.1:1"}
    assert not take_sample()


def test_a_redis_that_is_full_is_a_gap(server, now):
    publish(1)
    server.config_set("maxmemory", 1)
    try:
        assert not take_sample(now)
    finally:
        server.config_set("maxmemory", 0)
    assert series("orders", NO_GROUP, Span.HOUR).points[-1].incoming is None


def test_what_others_have_put_into_a_hash_is_a_gap(server, now):
    publish(1)
    take_sample(now)
    (key,) = server.keys("{t:orders}:stats:1m:*:billing") or server.keys("{t:orders}:stats:1m:*:")
    server.hset(key, mapping={"x": "text", str(now.minute): b"\xff"})
    assert len(series("orders", NO_GROUP, Span.HOUR).points) == 60


def test_every_hash_is_in_the_slot_of_its_stream_and_ends_by_itself(server, now):
    publish(1)
    server.xgroup_create(KEY, "billing", id="0")
    take_sample(now)
    keys = server.keys("*stats*")
    assert len(keys) == 2 * len(TIERS) + 2
    assert all(key.startswith(b"{t:orders}:stats:") for key in keys if b"tick" not in key)
    assert all(server.ttl(key) > 0 for key in keys)
    for tier in TIERS:
        (key,) = server.keys(f"*:stats:{tier.name}:*:billing")
        assert tier.keep < server.ttl(key) <= tier.keep + tier.step


def test_the_history_is_deleted_whole_and_its_size_is_what_redis_says(server, now):
    publish(1)
    server.xgroup_create(KEY, "billing", id="0")
    take_sample(now)
    keys = server.keys("{t:orders}:stats:*")
    assert history_size() == sum(server.memory_usage(key) for key in keys)
    assert purge_history() == len(keys)
    assert server.keys("{t:orders}:stats:*") == []
    assert history_size() == 0


@pytest.mark.slow
def test_the_whole_history_of_a_group_takes_less_than_90_kilobytes(server, now):
    last = int(now.timestamp())
    with server.pipeline(transaction=False) as pipeline:
        for tier in TIERS:
            oldest = (last - tier.keep - tier.step) // tier.period * tier.period  # of the hashes that live
            for at in range(oldest, last, tier.step):
                numbers = {"pending": 250, "lag": 1500, "time_lag": 130, "oldest_idle": 70, "dead": 20}
                sample = Sample(at=datetime.fromtimestamp(at, tz=UTC), read=50_000_000 + at % 10_000_000, **numbers)
                put(pipeline, tier, ("orders", "billing"), sample, "t:")
        pipeline.execute()
    assert 10_000 < sum(server.memory_usage(key) for key in server.keys("{t:orders}:stats:*")) < 90_000


def test_the_server_is_not_kept_long(server, now):
    publish(1)
    server.xgroup_create(KEY, "billing", id="0")
    server.config_set("slowlog-log-slower-than", 20_000)
    server.slowlog_reset()
    take_sample(now)
    series("orders", "billing", Span.DAY)
    assert [one["command"] for one in server.slowlog_get() if b"stats" in one["command"]] == []
