"""When events leave: after the commit on the right database, together, and only those that survived."""

import contextlib
import gc
import threading
import weakref
from random import Random

import pytest
import redis
from django.db import connections, transaction
from django.test import TestCase, override_settings

from stream_events.publishing import commit, delivery
from tests.shop.models import Order, Parcel

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Rollback(Exception):
    pass


@contextlib.contextmanager
def rolled_back(using=None):
    with contextlib.suppress(Rollback), transaction.atomic(using=using):
        yield
        raise Rollback


@pytest.fixture
def numbers(entries):
    return lambda: [event["data"]["number"] for event in entries("orders")]


@pytest.fixture
def reads(server):
    """How often the server has read from its clients since the last call."""
    Order.objects.create(number="connects")
    server.flushall()
    last = 0

    def count():
        nonlocal last
        now = server.info("stats")["total_reads_processed"]
        before, last = last, now
        return now - before - 1  # our own command

    count()
    return count


def test_nothing_leaves_before_the_commit(numbers):
    with transaction.atomic():
        Order.objects.create(number="A1")
        assert numbers() == []
    assert numbers() == ["A1"]


def test_autocommit_leaves_at_once(numbers):
    Order.objects.create(number="A1")
    assert numbers() == ["A1"]


def test_a_rolled_back_transaction_publishes_nothing_ever(numbers):
    with rolled_back():
        Order.objects.create(number="A1")
    with transaction.atomic():
        Order.objects.create(number="A2")
    assert numbers() == ["A2"]


def test_a_rolled_back_savepoint_takes_itself_back_and_nothing_else(numbers):
    with transaction.atomic():
        Order.objects.create(number="A1")
        with rolled_back():
            Order.objects.create(number="B1")
            with transaction.atomic():
                Order.objects.create(number="B2")
        with transaction.atomic():
            Order.objects.create(number="A2")
            with rolled_back():
                Order.objects.create(number="B3")
        Order.objects.create(number="A3")
    assert numbers() == ["A1", "A2", "A3"]


def test_a_savepoint_rolled_back_at_the_end_publishes_nothing(numbers):
    with transaction.atomic():
        Order.objects.create(number="A1")
        with rolled_back():
            Order.objects.create(number="B1")
    assert numbers() == ["A1"]


def test_one_transaction_is_one_pipeline_on_the_server(reads, entries):
    with transaction.atomic():
        Order.objects.create(number="A1")
        with transaction.atomic():
            Order.objects.create(number="A2")
        with rolled_back():
            Order.objects.create(number="B1")
        Parcel.objects.create(name="p")
        with transaction.atomic():
            Order.objects.create(number="A3")
    assert reads() == 1
    assert [event["data"]["number"] for event in entries("orders")] == ["A1", "A2", "A3"]
    assert len(entries("tracked")) == 1


def test_many_savepoints_are_one_pipeline_on_the_server(reads):
    with transaction.atomic():
        for number in range(20):  # all of it fits into one read of the server
            with transaction.atomic():
                Order.objects.create(number=number)
    assert reads() == 1


def test_a_savepoint_rolled_back_after_the_last_write_leaves_one_pipeline(reads):
    with transaction.atomic():
        Order.objects.create(number="A1")
        Order.objects.create(number="A2")
        with rolled_back():
            Order.objects.create(number="B1")
    assert reads() == 1


def test_the_order_of_writes_survives_savepoints_whatever_is_rolled_back(reads, numbers):
    with transaction.atomic():
        Order.objects.create(number="A1")
        with transaction.atomic():
            Order.objects.create(number="A2")
            with transaction.atomic():
                Order.objects.create(number="A3")
        Order.objects.create(number="A4")
        with rolled_back():
            Order.objects.create(number="B1")
            with transaction.atomic():
                Order.objects.create(number="B2")
    assert reads() == 1
    assert numbers() == ["A1", "A2", "A3", "A4"]


def test_savepoints_at_the_end_survive_in_order(numbers):
    with transaction.atomic():
        Order.objects.create(number="A1")
        with transaction.atomic():
            Order.objects.create(number="A2")
        with transaction.atomic():
            Order.objects.create(number="A3")
            with rolled_back():
                Order.objects.create(number="B1")
        with rolled_back():
            pass
    assert numbers() == ["A1", "A2", "A3"]


def test_callbacks_that_somebody_kept_publish_nothing_of_what_was_rolled_back(numbers):
    kept = []
    with rolled_back():
        Order.objects.create(number="B1")
        kept += connections["default"].run_on_commit
    with transaction.atomic():
        Order.objects.create(number="A1")
        with rolled_back():
            Order.objects.create(number="B2")
            kept += connections["default"].run_on_commit
    Order.objects.create(number="A2")
    assert numbers() == ["A1", "A2"]


def test_a_rolled_back_write_keeps_no_connection_alive(server):
    connections_of_threads = []

    def write_and_roll_back():
        with rolled_back():
            commit.send_after_commit([], "default")
        connections_of_threads.append(weakref.ref(connections["default"]))
        connections["default"].connection.close()  # Django leaves a database in memory open

    thread = threading.Thread(target=write_and_roll_back)
    thread.start()
    thread.join()
    gc.collect()
    assert connections_of_threads[0]() is None


def test_a_transaction_of_somebody_elses_callback_changes_nothing(numbers):
    def write_and_roll_back():
        with rolled_back():
            Order.objects.create(number="B1")
        with transaction.atomic():
            Order.objects.create(number="C1")

    with transaction.atomic():
        with transaction.atomic():
            transaction.on_commit(write_and_roll_back)
            Order.objects.create(number="A1")
        with rolled_back():
            Order.objects.create(number="B2")
        Order.objects.create(number="A2")
    assert numbers() == ["A1", "A2", "C1"]


class ReplicaRouter:
    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"


def test_an_instance_read_from_a_replica_publishes_where_it_is_written(numbers):
    Order.objects.using("other").create(number="A1")
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReplicaRouter"]), rolled_back():
        Order.objects.get().events.publish("paid")
    assert numbers() == ["A1"]


def test_each_database_publishes_on_its_own_commit(numbers):
    with transaction.atomic(using="default"):
        Order.objects.create(number="A1")
        with transaction.atomic(using="other"):
            Order.objects.using("other").create(number="A2")
        assert numbers() == ["A2"]
        with rolled_back(using="other"):
            Order.objects.using("other").create(number="B1")
    assert numbers() == ["A2", "A1"]


def test_an_instance_publishes_its_verbs_on_its_own_database(numbers):
    order = Order.objects.using("other").create(number="A1")
    with transaction.atomic(using="default"), rolled_back(using="other"):
        order.events.publish("paid")
    assert numbers() == ["A1"]


def test_events_published_while_others_are_leaving_come_after_them(numbers):
    with transaction.atomic():
        Order.objects.create(number="A1")
        transaction.on_commit(lambda: Order.objects.create(number="C1"))
        Order.objects.create(number="A2")
    assert numbers() == ["A1", "A2", "C1"]


def test_somebody_elses_failing_callback_after_ours_loses_nothing(numbers):
    def fail():
        raise Rollback

    with contextlib.suppress(Rollback), transaction.atomic():
        Order.objects.create(number="A1")
        transaction.on_commit(fail)
        Order.objects.create(number="A2")
    assert numbers() == ["A1", "A2"]


def test_what_an_earlier_callback_publishes_comes_after_the_transaction(numbers):
    def update():
        order.number = "A2"
        order.save()

    order = Order.objects.create(number="A0")
    with transaction.atomic():
        transaction.on_commit(update)
        order.number = "A1"
        order.save()
    assert numbers() == ["A0", "A1", "A2"]


def test_somebody_elses_failing_callback_before_ours_loses_nothing(numbers):
    def fail():
        raise Rollback

    with contextlib.suppress(Rollback), transaction.atomic():
        transaction.on_commit(fail)
        Order.objects.create(number="A1")
        with transaction.atomic():
            Order.objects.create(number="A2")
    assert numbers() == ["A1", "A2"]


def test_with_raise_callbacks_that_came_before_ours_run_before_it(settings):
    settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0", "PUBLISH_TIMEOUT": 0.1, "ON_FAILURE": "raise"}
    ran = []

    def write():
        with transaction.atomic():
            transaction.on_commit(lambda: ran.append(True))
            Order.objects.create(number="A1")

    with pytest.raises(redis.ConnectionError):
        write()
    assert ran


def test_manual_transaction_management_is_refused_as_django_refuses_it(entries):
    connection = connections["default"]
    connection.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError, match="manual") as kept:
            Order.objects.create(number="A1")
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    Order.objects.create(number="A2")
    assert [event["data"]["number"] for event in entries("orders")] == ["A2"]
    assert kept


class TestInsideATestCase:
    """Callbacks that a test runs by hand send what they were registered for, and nothing else."""

    @pytest.mark.django_db(transaction=False)
    def test_only_captured_events_leave(self, numbers):
        Order.objects.create(number="before")
        with TestCase.captureOnCommitCallbacks(execute=True):
            Order.objects.create(number="A1")
            Order.objects.create(number="A2")
        assert numbers() == ["A1", "A2"]

    @pytest.mark.django_db(transaction=False)
    def test_nothing_leaves_without_capturing(self, numbers):
        Order.objects.create(number="A1")
        assert numbers() == []


class TestRedisFails:
    @pytest.fixture(autouse=True)
    def _nobody_listens(self, settings):
        settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0", "PUBLISH_TIMEOUT": 0.1, "ON_FAILURE": "log"}

    def test_the_write_stands_and_the_log_names_the_event(self, caplog):
        with transaction.atomic():
            order = Order.objects.create(number="secret number")
        assert Order.objects.count() == 1
        assert f"event_not_published stream=orders event='shop.order:{order.pk} create'" in caplog.text
        assert "secret number" not in caplog.text

    def test_somebody_elses_callbacks_run_nevertheless(self, settings, caplog):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": {"no_such_option": 1}}
        ran = []
        with transaction.atomic():
            Order.objects.create(number="A1")
            transaction.on_commit(lambda: ran.append(True))
        assert ran
        assert "no_such_option" in caplog.text
        assert "event_not_published stream=orders" in caplog.text

    def test_an_interrupted_publisher_names_what_was_in_hand(self, monkeypatch, caplog):
        def interrupt(entries):
            raise KeyboardInterrupt

        monkeypatch.setattr(delivery, "append_in_order", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Order.objects.create(number="A1")
        assert "event_not_published stream=orders" in caplog.text

    def test_raise_raises_after_the_commit(self, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ON_FAILURE": "raise"}
        with pytest.raises(redis.ConnectionError), transaction.atomic():
            Order.objects.create(number="A1")
        assert Order.objects.count() == 1


def test_an_entry_that_redis_refuses_is_logged_and_keeps_no_other_back(server, entries, caplog, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ON_FAILURE": "log"}
    server.set("t:orders", "no stream")
    with transaction.atomic():
        Order.objects.create(number="A1")
        Parcel.objects.create(name="p")
    assert len(entries("tracked")) == 1
    assert "WRONGTYPE" in caplog.text


def test_a_prefix_is_put_before_the_key(server, settings):
    with override_settings(STREAM_EVENTS={**settings.STREAM_EVENTS, "KEY_PREFIX": "app:"}):
        Order.objects.create(number="A1")
    assert server.keys() == [b"app:orders"]


def _write(plan, name):
    """Write orders as ``plan`` says; returns the numbers of those that must be published."""
    written = []
    for at, step in enumerate(plan):
        number = f"{name}.{at}"
        if step == "save":
            Order.objects.create(number=number)
            written.append(number)
        else:
            kept, inner = step
            with transaction.atomic() if kept else rolled_back():
                found = _write(inner, number)
            written += found if kept else []
    return written


def _random_plan(random, depth=0):
    return [
        "save" if depth == 3 or random.random() < 0.5 else (random.random() < 0.6, _random_plan(random, depth + 1))
        for _ in range(random.randint(0, 4))
    ]


@pytest.mark.parametrize("seed", range(60))
def test_any_nesting_publishes_what_was_committed_in_the_order_of_writes(numbers, seed):
    plan = _random_plan(Random(seed))
    with transaction.atomic():
        expected = _write(plan, "n")
    assert numbers() == expected
    assert list(Order.objects.order_by("pk").values_list("number", flat=True)) == expected
