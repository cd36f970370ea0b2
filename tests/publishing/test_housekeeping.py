"""What consumers send on the side, from databases in files: those in memory are no business of others."""

import json

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from stream_events.exceptions import NotDurableError
from stream_events.models import OutboxEvent
from stream_events.publishing import housekeeping
from stream_events.publishing.housekeeping import send_what_waits
from stream_events.publishing.relay import Relay
from tests.conftest import wait_for
from tests.outboxes import TABLE, let_wait


@pytest.fixture
def files(tmp_path, add_database, monkeypatch):
    """Two databases, with an outbox each; the settings name them."""
    monkeypatch.setattr(housekeeping, "_left_alone", {})
    for name in ("first", "second"):
        options = {"timeout": 0.1}
        add_database(name, {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / name), "OPTIONS": options})
    return ["first", "second"]


@pytest.fixture(autouse=True)
def _settings(real, settings, files):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": files}}


@pytest.fixture
def keys(arrived):
    return lambda stream="orders": [json.loads(one["payload"])["obj_id"] for one in arrived(stream)]


def left(alias):
    return OutboxEvent.objects.using(alias).count()


def rename(alias, one, another):
    with connections[alias].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {one} RENAME TO {another}")


def test_sends_what_waits_in_every_database(keys):
    let_wait(600, alias="first")
    let_wait(1, alias="second", aggregatetype="invoices")
    send_what_waits()
    assert (len(keys("orders")), len(keys("invoices"))) == (600, 1)
    assert left("first") == left("second") == 0


def test_leaves_databases_in_memory_to_their_processes(keys, settings, add_database):
    add_database("memory", {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"})
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": ["memory"]}}
    let_wait(1, alias="memory")
    send_what_waits()
    assert left("memory") == 1


def test_redis_that_is_away_is_no_error(real, keys, caplog):
    let_wait(1, alias="first")
    real.kill()
    send_what_waits()
    assert caplog.text == ""
    real.start()
    send_what_waits()
    assert keys() == [1]


@pytest.mark.slow
def test_what_is_not_durable_stays_and_is_no_error(settings, keys):
    let_wait(1, alias="first")
    before = settings.STREAM_EVENTS
    settings.STREAM_EVENTS = {**before, "WAIT_REPLICAS": 1}
    with pytest.raises(NotDurableError):
        Relay("first").run()
    send_what_waits()
    assert left("first") == 1
    settings.STREAM_EVENTS = before
    send_what_waits()
    assert keys() == [1]


def test_a_missing_table_keeps_no_other_database_waiting_and_is_not_asked_each_time(keys, caplog):
    rename("first", TABLE, "elsewhere")
    let_wait(1, alias="second")
    with caplog.at_level("INFO"):
        send_what_waits()
    assert keys() == [1]
    assert "outbox_unusable database=first" in caplog.text
    with CaptureQueriesContext(connections["first"]) as queries:
        send_what_waits()
    assert len(queries) == 0


@pytest.mark.slow
def test_a_database_that_was_locked_is_asked_again_soon(keys):
    let_wait(1, alias="first")
    other = connections.create_connection("first")
    with other.cursor() as cursor:
        cursor.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperationalError, match="locked"):
            Relay("first").run()
        send_what_waits()
        cursor.execute("ROLLBACK")
    other.close()
    wait_for(lambda: send_what_waits() or not left("first"), "the next time")
    assert keys() == [1]


def test_a_database_that_cannot_be_opened_keeps_no_other_waiting(settings, keys, add_database):
    add_database("away", {"ENGINE": "django.db.backends.sqlite3", "NAME": "/no/such/folder/db"}, migrated=False)
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": ["away", "second"]}}
    let_wait(1, alias="second")
    send_what_waits()
    assert keys() == [1]
