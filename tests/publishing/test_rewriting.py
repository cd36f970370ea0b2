"""Several saves of one object in one transaction: one row of the outbox, and one event."""

import json

import pytest
from django.db import transaction

from stream_events import suppress
from stream_events.publishing.coalescing import coalesced
from stream_events.publishing.entries import make_entry
from stream_events.publishing.outbox import outbox_rows
from stream_events.publishing.relay import Relay
from tests.shop.wares import FAMILIES, Box

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

FAMILY = FAMILIES["both"]
Ware = FAMILY.plain


@pytest.fixture
def ware(server):
    with suppress():
        return Ware.objects.create(code="a", name="a")


@pytest.fixture
def names(entries):
    """What the objects are called in the stream, once the relay has been there."""

    def read():
        Relay("default").run()
        return [event["data"]["name"] for event in entries(FAMILY.stream)]

    return read


def rename(ware, *names):
    for name in names:
        ware.name = name
        ware.save()


def test_an_outbox_row_keeps_its_event_id_and_its_place(ware, names):
    with transaction.atomic():
        rename(ware, "A")
        first = outbox_rows("default").get()
        Ware.objects.create(code="b", name="b")
        rename(ware, "AA")
    assert outbox_rows("default").first().event_id == first.event_id
    assert names() == ["AA", "b"]


def test_each_transaction_has_its_own_event(ware, names):
    with transaction.atomic():
        rename(ware, "A", "AA")
    with transaction.atomic():
        rename(ware, "B", "BB")
    assert names() == ["AA", "BB"]


def test_savepoints_that_were_rolled_back_take_back_only_what_was_said_in_them(ware, names):
    with transaction.atomic():
        with transaction.atomic():
            rename(ware, "lost", "lost too")
            transaction.set_rollback(True)
        rename(ware, "A")
        with transaction.atomic():
            ware.delete()
            transaction.set_rollback(True)
        with transaction.atomic():
            rename(Ware.objects.get(), "AA")
        with transaction.atomic():
            rename(Ware.objects.get(), "lost")
            transaction.set_rollback(True)
    assert names() == ["AA"]


def test_what_was_rolled_back_is_not_merged_with_what_comes_later(ware, names):
    with transaction.atomic():
        rename(ware, "lost")
        transaction.set_rollback(True)
    with transaction.atomic():
        rename(Ware.objects.get(), "A")
    assert names() == ["A"]
    assert Ware.objects.get().name == "A"


def test_many_rows_are_merged_with_few_queries(ware, names, django_assert_max_num_queries):
    with transaction.atomic(), django_assert_max_num_queries(120):
        Ware.objects.bulk_create(Ware(code=f"n{number}", name="n") for number in range(100))
        Ware.objects.filter(name="n").update(name="N")
    assert names() == ["N"] * 100


def _update(**payload):
    entry = make_entry("wares", {"obj_id": 1, "obj_type": "shop.ware", "action": "update", **payload})
    entry.merging = json.loads(entry.payload)
    return entry


def test_what_is_too_large_together_is_two_events(settings):
    name = _update(changed=["name"], previous={"name": "a"})
    note = _update(changed=["note"], previous={"note": "a"})
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "MAX_PAYLOAD": len(name.payload)}
    assert list(coalesced([name, note])) == [name, note]


def test_what_is_too_large_together_is_two_rows(ware, entries, settings):
    with transaction.atomic():
        rename(ware, "A")
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "MAX_PAYLOAD": len(outbox_rows("default").get().payload)}
        ware.box = Box.objects.create(name="b")
        ware.save(update_fields=["box"])
    Relay("default").run()
    assert [event["changed"] for event in entries(FAMILY.stream)] == [["name"], ["box"]]
