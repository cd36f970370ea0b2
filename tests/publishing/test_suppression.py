"""Code that publishes nothing, because it says so or because the bus is off."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from stream_events import StreamPublisher, suppress
from stream_events.exceptions import ConfigurationError
from tests.market.models import Item, Season, Shop, Tag

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def names(entries):
    return lambda: [event["data"]["name"] for event in entries("items")]


def test_a_named_stream_is_silent_and_others_are_not(server, entries, names):
    with suppress("items"):
        Item.objects.create(name="a")
        Shop.objects.create(name="s")
    Item.objects.create(name="b")
    assert names() == ["b"]
    assert len(entries("shops")) == 1


def test_several_can_be_named(server, names, entries):
    with suppress("items", "shops"):
        Item.objects.create(name="a")
        Shop.objects.create(name="s")
    assert names() == entries("shops") == []


def test_none_named_is_all(server, names):
    with suppress():
        Item.objects.create(name="a")
    assert names() == []


def test_nested_ones_add_up_and_end_one_by_one(server, names, entries):
    with suppress("items"):
        with suppress("shops"):
            Item.objects.create(name="a")
            Shop.objects.create(name="a")
        Item.objects.create(name="b")
        Shop.objects.create(name="b")
    Item.objects.create(name="c")
    assert names() == ["c"]
    assert len(entries("shops")) == 1


def test_an_error_inside_ends_it(server, names):
    with pytest.raises(ValueError, match="inside"), suppress("items"):
        raise ValueError("inside")
    Item.objects.create(name="a")
    assert names() == ["a"]


def test_a_function_can_be_decorated(server, names):
    @suppress("items")
    def write():
        Item.objects.create(name="a")

    write()
    write()
    assert names() == []


def test_it_is_the_write_that_counts_and_not_the_commit(server, names):
    with transaction.atomic():
        with suppress("items"):
            Item.objects.create(name="a")
        Item.objects.create(name="b")
    with suppress("items"):
        Item.objects.create(name="c")
    with transaction.atomic():
        Item.objects.create(name="d")
    assert names() == ["b", "d"]


@pytest.mark.parametrize(
    "write",
    [
        lambda season: season.save(),
        lambda season: season.delete(),
        lambda season: Season.objects.update(year=1),
        lambda season: Season.objects.bulk_create([Season(name="b")]),
        lambda season: Season.objects.bulk_update([season], ["name"]),
        lambda season: Season.objects.update_or_create(pk=season.pk, defaults={"year": 1}),
        lambda season: season.events.publish("seen"),
        lambda season: Season.events.add({"obj_id": 1}),
        lambda season: Season.events.batch_add([{"obj_id": 1}]),
    ],
    ids=["save", "delete", "update", "bulk_create", "bulk_update", "update_or_create", "publish", "add", "batch_add"],
)
def test_every_way_to_publish_is_silent(server, entries, write):
    with suppress("seasons", "season-names"):
        season = Season.objects.create(name="a")
        write(season)
    assert entries("seasons") == entries("season-names") == []


def test_it_holds_in_coroutines_and_in_what_they_run_in_threads(server, names):
    async def write():
        with suppress("items"):
            await Item.objects.acreate(name="a")
            await asyncio.gather(StreamPublisher("items").aadd({"data": {"name": "b"}}))
        await Item.objects.acreate(name="c")

    async_to_sync(write)()
    assert names() == ["c"]


def test_it_does_not_hold_in_other_threads(server, names):
    with suppress("items"):
        thread = threading.Thread(target=StreamPublisher("items").add, args=[{"data": {"name": "a"}}])
        thread.start()
        thread.join()
    assert names() == ["a"]


def test_a_name_that_cannot_be_says_so():
    with pytest.raises(ConfigurationError), suppress(""):
        pass


@pytest.mark.parametrize("write", ["save", "publish", "m2m"])
def test_a_bus_that_is_off_publishes_nothing(server, settings, write):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ENABLED": False, "URL": "redis://127.0.0.1:1"}
    item = Item.objects.create(name="a")
    if write == "publish":
        item.events.publish("seen")
    if write == "m2m":
        from tests.market.models import Draft

        Draft.objects.create().tags.add(Tag.objects.create(name="x"))
    assert server.keys() == []
