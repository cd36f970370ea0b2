"""Bulk writes on PostgreSQL, where other transactions come between their statements."""

import contextlib

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from stream_events import suppress
from stream_events.exceptions import KeysUnknownError
from stream_events.publishing import querysets
from tests.faults.postgres import Postgres
from tests.market.models import Shop, Ticket

pytestmark = pytest.mark.slow


@pytest.fixture
def told(entries):
    return lambda: [(event["action"], event["data"]["number"]) for event in entries("tickets")]


@pytest.fixture(scope="module")
def _postgres():
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def postgres(_postgres, server, django_db_blocker):
    """Two aliases of one PostgreSQL database that has tickets."""
    options = {**connections["default"].settings_dict, "ENGINE": "django.db.backends.postgresql"}
    options |= {"NAME": "postgres", "USER": "postgres", "HOST": str(_postgres.folder)}
    aliases = ("first", "second")
    for alias in aliases:
        connections.databases[alias] = {**options, "OPTIONS": {}}
    with django_db_blocker.unblock():
        with connections["first"].schema_editor() as editor:
            editor.create_model(Shop)
            editor.create_model(Ticket)
        yield aliases
        with connections["first"].schema_editor() as editor:
            editor.delete_model(Ticket)
            editor.delete_model(Shop)
    for alias in aliases:
        connections[alias].close()
        del connections.databases[alias], connections[alias]


@contextlib.contextmanager
def before_each_update(alias, write):
    """Has ``write`` called just before any UPDATE of tickets on ``alias``."""

    def wrapper(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            write()
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(wrapper):
        yield


def test_a_row_that_comes_between_selection_and_write_is_told_too(postgres, told):
    first, second = postgres
    late = iter([Ticket(number="late")])
    with suppress():
        Ticket.objects.using(first).create(number="A")

    def bring():
        with suppress():
            Ticket.objects.using(second).bulk_create(list(late))

    with before_each_update(first, bring):
        assert Ticket.objects.using(first).filter(status="open").update(status="sold") == 2
    assert told() == [("update", "A"), ("update", "late")]


def test_rows_that_never_stop_coming_write_and_tell_nothing(postgres, told):
    first, second = postgres

    def bring():
        with suppress():
            Ticket.objects.using(second).create(number=str(Ticket.objects.using(second).count()))

    with before_each_update(first, bring), pytest.raises(KeysUnknownError, match="too often"):
        Ticket.objects.using(first).update(status="sold")
    assert Ticket.objects.using(first).filter(status="open").count() == querysets.ATTEMPTS
    assert told() == []


def test_the_rows_are_locked(postgres):
    first, _ = postgres
    Ticket.objects.using(first).create(number="A")
    with CaptureQueriesContext(connections[first]) as captured:
        Ticket.objects.using(first).update(status="sold")
    assert any("FOR UPDATE" in query["sql"] for query in captured)


def test_conflicts_are_locked_and_told(postgres, told):
    first, _ = postgres
    Ticket.objects.using(first).create(number="A")
    Ticket.objects.using(first).bulk_create(
        [Ticket(number=number, status="new") for number in "BA"],
        update_conflicts=True,
        unique_fields=["number"],
        update_fields=["status"],
    )
    assert told() == [("create", "A"), ("create", "B"), ("update", "A")]
