"""What a save has changed, where it is not obvious what the database had before."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from stream_events import suppress
from tests.shop.wares import FAMILIES

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

FAMILY = FAMILIES["changes"]
Ware = FAMILY.plain


@pytest.fixture
def ware(server):
    with suppress():
        Ware.objects.create(code="a", name="a")
    return Ware.objects.get()


@pytest.fixture
def last(entries):
    """What the last event says has changed, with the previous values."""

    def read():
        event = entries(FAMILY.stream)[-1]
        return event["changed"], event["previous"]

    return read


def rename(ware, name, **options):
    ware.name = name
    ware.save(**options)


def test_an_instance_that_was_loaded_costs_no_query(ware, last):
    with CaptureQueriesContext(connection) as queries:
        rename(ware, "A")
        rename(ware, "AA")
    assert len(queries) == 2
    assert last() == (["name"], {"name": "A"})


def test_an_instance_that_was_not_costs_one(ware, last):
    with CaptureQueriesContext(connection) as queries:
        Ware(pk=ware.pk, code="a", name="A").save()
    assert len(queries) == 2
    assert last() == (["name"], {"name": "a"})


def test_a_copy_in_another_database_is_compared_with_what_that_has(ware, last):
    rename(Ware(pk=ware.pk, code="a"), "elsewhere", using="other")
    rename(ware, "A", using="other")
    assert last() == (["name"], {"name": "elsewhere"})


def test_a_save_that_is_rolled_back_has_changed_nothing(ware, last):
    with transaction.atomic():
        rename(ware, "lost")
        transaction.set_rollback(True)
    rename(ware, "A")
    assert last() == (["name"], {"name": "a"})


def test_suppressed_saves_are_remembered(ware, last):
    with suppress():
        rename(ware, "A")
        Ware.objects.bulk_update([ware], ["name"])
    rename(ware, "AA")
    assert last() == (["name"], {"name": "A"})


def test_what_was_refreshed_is_remembered(ware, last):
    with suppress():
        Ware.objects.update(name="A", amount=5)
    ware.refresh_from_db(fields=["name"])
    rename(ware, "AA")
    assert last()[1]["name"] == "A"
