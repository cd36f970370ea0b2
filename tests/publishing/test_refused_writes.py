"""Bulk writes of which nobody could know the rows are refused before anything is written."""

import pytest
from django.db import connection, transaction

from stream_events import suppress
from stream_events.exceptions import KeysUnknownError
from stream_events.publishing.outbox import outbox_rows
from tests.shop.wares import FAMILIES

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

FAMILY = FAMILIES["plain"]
WARES = FAMILY.plain.objects


@pytest.fixture(autouse=True)
def _one_ware(server):
    with suppress():
        WARES.create(code="a", name="a")


def codes():
    return list(WARES.order_by("code").values_list("code", flat=True))


REFUSED = {
    "ignored conflicts": lambda: WARES.bulk_create([FAMILY.plain(code="b")], ignore_conflicts=True),
    "updated conflicts": lambda: WARES.bulk_create(
        [FAMILY.plain(code="b")], update_conflicts=True, update_fields=["name"]
    ),
    "a new key": lambda: WARES.update(id=10**6),
    "half a new key": lambda: FAMILY.composite.objects.update(shelf=2),
}


@pytest.mark.parametrize("write", REFUSED.values(), ids=REFUSED)
def test_a_write_without_known_keys_is_refused_before_it_is_made(write, entries):
    with pytest.raises(KeysUnknownError):
        write()
    assert codes() == ["a"]
    assert entries(FAMILY.stream) == []


def test_a_database_that_tells_no_keys_cannot_create_many(monkeypatch, entries):
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    with pytest.raises(KeysUnknownError, match="suppress"):
        WARES.bulk_create([FAMILY.plain(code="b")])
    assert codes() == ["a"]


def test_keys_that_are_set_are_known_to_any_database(monkeypatch, entries):
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    FAMILY.uuid.objects.bulk_create([FAMILY.uuid(code="b", name="b")])
    assert [event["data"]["name"] for event in entries(FAMILY.stream)] == ["b"]


def test_an_outbox_in_a_database_that_tells_no_keys_merges_all_the_same(monkeypatch, server):
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    wares = FAMILIES["both"].uuid.objects
    with transaction.atomic():
        wares.bulk_create([FAMILIES["both"].uuid(code="b", name="b"), FAMILIES["both"].uuid(code="c", name="c")])
        wares.update(name="x")
    assert list(outbox_rows("default").values_list("type", flat=True)) == ["create", "create"]


def test_suppressed_it_is_allowed(entries):
    with suppress():
        WARES.bulk_create([FAMILY.plain(code="a"), FAMILY.plain(code="b")], ignore_conflicts=True)
    assert codes() == ["a", "b"]
    assert entries(FAMILY.stream) == []
