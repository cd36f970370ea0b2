"""Relays of a PostgreSQL server, where rows are locked one by one and new ones are announced."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import environ
import pytest
from django.db import connections, transaction

from stream_events.models import OutboxEvent
from stream_events.publishing import wakeup
from stream_events.publishing.entries import make_entry
from stream_events.publishing.outbox import CHANNEL, write_outbox
from stream_events.publishing.relay import Relay
from stream_events.publishing.relaying import Relaying
from tests.conftest import wait_for
from tests.faults.postgres import Postgres

pytestmark = pytest.mark.slow

ALIAS = "postgres"


@pytest.fixture(scope="module")
def postgres():
    server = Postgres().start()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _database(postgres, add_database, real):
    add_database(ALIAS, environ.Env.db_url_config(postgres.url))
    yield
    OutboxEvent.objects.using(ALIAS).delete()


@pytest.fixture
def keys(arrived):
    return lambda count=0: [json.loads(one["payload"])["obj_id"] for one in arrived("orders", count)]


def write(*numbers):
    entries = [make_entry("orders", {"obj_id": number, "obj_type": "shop.order"}) for number in numbers]
    write_outbox(entries, ALIAS)


def rows():
    return OutboxEvent.objects.using(ALIAS).order_by("position")


def in_a_thread(function):
    """What ``function`` returns, called with a connection of its own."""

    def call():
        try:
            return function()
        finally:
            connections[ALIAS].close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(30)


def relay():
    return in_a_thread(lambda: Relay(ALIAS).run())


def test_the_time_of_an_event_is_told_in_utc_where_django_uses_no_time_zones(
    settings, postgres, add_database, arrived
):
    add_database("far", environ.Env.db_url_config(postgres.url))
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
    write_outbox([make_entry("orders", {"obj_id": 1, "obj_type": "shop.order"})], "far")
    Relay("far").run()
    occurred_at = datetime.fromisoformat(arrived("orders", 1)[0]["occurred_at"].decode())
    assert abs(occurred_at - datetime.now(UTC)) < timedelta(hours=1)


def test_rows_behind_one_of_the_same_object_in_another_relays_hands_wait(keys):
    write(1, 2, 1, 3, 2)
    with transaction.atomic(using=ALIAS):
        list(rows().select_for_update()[:1])  # the other relay
        assert relay() == 3
        assert keys() == [2, 3, 2]
    assert relay() == 2
    assert keys() == [2, 3, 2, 1, 1]
    assert not rows().exists()


def test_several_relays_share_the_work_without_sending_twice(keys):
    numbers = [number % 50 for number in range(3000)]
    write(*numbers)
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(relay) for _ in range(4)]
    assert sum(one.result() for one in sent) + relay() == 3000
    assert sorted(keys()) == sorted(numbers)


def test_what_is_not_committed_yet_is_not_sent_and_not_forgotten(keys):
    with transaction.atomic(using=ALIAS):
        write(1)
        in_a_thread(lambda: write(2))
        assert relay() == 1
    assert relay() == 1
    assert keys() == [2, 1]


class TestRelaying:
    @pytest.fixture
    def relaying(self, monkeypatch):
        """One that would wait for an hour if nothing woke it."""
        monkeypatch.setattr(wakeup, "LONGEST", 3600.0)
        relaying = Relaying(ALIAS)
        thread = threading.Thread(target=relaying.run)
        thread.start()
        wait_for(lambda: listeners(), "the relay to listen")
        yield relaying
        relaying.stop()
        notify()
        thread.join(20)
        assert not thread.is_alive()

    def test_a_commit_wakes_it(self, relaying, keys):
        for number in range(5):
            with transaction.atomic(using=ALIAS):
                write(number)
            keys(number + 1)
            wait_for(lambda: not rows().exists(), "the end of the round")
        assert keys() == list(range(5))

    def test_a_rollback_does_not(self, relaying, keys):
        wait_for(lambda: is_idle(listeners()[0]), "the relay to wait")
        with transaction.atomic(using=ALIAS):
            write(1)
            transaction.set_rollback(True, using=ALIAS)
        write(2)
        assert keys(1) == [2]

    def test_one_that_waits_survives_the_end_of_its_connection(self, relaying, keys, caplog):
        wait_for(lambda: is_idle(listeners()[0]), "the relay to wait")
        (pid,) = listeners()
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_for(lambda: "outbox_not_heard" in caplog.text, "the complaint")
        write(1)
        assert keys(1) == [1]
        wait_for(lambda: listeners() and listeners() != [pid], "the relay to listen again")
        assert relaying.error is None

    def test_one_that_waits_survives_a_restart_of_the_database(self, relaying, keys, postgres, caplog):
        wait_for(lambda: is_idle(listeners()[0]), "the relay to wait")
        postgres.crash()
        wait_for(lambda: "outbox_not_heard" in caplog.text, "the complaint")
        connections[ALIAS].close()
        postgres.go_on()
        write(1)
        assert keys(1) == [1]
        wait_for(listeners, "the relay to listen again")
        assert relaying.error is None


def notify():
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def listeners():
    """The process ids of connections that listen."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE query = %s ORDER BY pid", [f"LISTEN {CHANNEL}"])
        return [row[0] for row in cursor.fetchall()]


def is_idle(pid):
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT state = 'idle' FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone()[0]
