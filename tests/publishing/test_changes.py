"""``changes=True``: what a save has changed, and what it costs to know."""

import copy
import pickle
import uuid
from contextlib import suppress as ignoring
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch
from django.test import TestCase

from stream_events import suppress
from stream_events.exceptions import EventEncodeError
from stream_events.publishing.counts import outcomes
from tests.market.models import (
    Boat,
    Cart,
    Doubled,
    Engine,
    Hull,
    Item,
    Meter,
    SaleItem,
    Season,
    Shop,
    Shouting,
    Tag,
    Token,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Rollback(Exception):
    pass


@pytest.fixture
def item(server):
    """An item that was loaded; its creation is not in the stream any more."""
    Item.objects.create(name="pen", price=Decimal("1.50"))
    server.flushall()
    return Item.objects.get()


@pytest.fixture
def change(entries):
    """What the last event in a stream tells as changed, with the previous values."""

    def read(stream="items"):
        event = entries(stream)[-1]
        return event["changed"], event.get("previous")

    return read


@pytest.fixture
def costs(django_assert_num_queries):
    """That a block has only the queries of its own saves: one each."""
    return django_assert_num_queries


class TestCosts:
    def test_no_query_for_what_this_process_has_loaded(self, item, change, costs):
        item.name = "pencil"
        with costs(1):
            item.save()
        assert change() == (["name"], {"name": "pen"})

    def test_no_query_for_what_this_process_has_saved(self, item, change, costs):
        item.name = "pencil"
        item.save()
        item.name = "crayon"
        with costs(1):
            item.save()
        assert change() == (["name"], {"name": "pencil"})

    def test_one_query_for_what_was_not_loaded(self, item, change, costs):
        other = Item(pk=item.pk, name="crayon", price=Decimal("1.50"))
        with costs(2):
            other.save()
        assert change() == (["name"], {"name": "pen"})
        other.stock = 3
        with costs(1):
            other.save()
        assert change() == (["stock"], {"stock": 1})

    @pytest.mark.parametrize("make", [lambda: Item(name="a"), lambda: Token(name="a"), lambda: Shop(name="a")])
    def test_none_for_new_objects(self, server, costs, make):
        with costs(1):
            make().save()

    def test_none_for_what_is_not_loaded_and_not_saved(self, item, change, costs):
        part = Item.objects.defer("labels", "name").get()
        part.stock = 5
        with costs(2):  # the update, and the rest of the event's data
            part.save()
        assert change() == (["stock"], {"stock": 1})

    def test_none_where_update_fields_touch_nothing_declared(self, item, entries, costs):
        with costs(1):
            Item(pk=item.pk, name="?", secret="s").save(update_fields=["secret"])
        assert entries("items") == []

    def test_one_where_a_deferred_field_is_written(self, item, change, costs):
        part = Item.objects.only("stock").get()
        part.name = "crayon"
        with costs(3):  # the old values, the update, the rest of the event's data
            part.save()
        assert change() == (["name"], {"name": "pen"})

    def test_bulk_writes_have_no_query_of_their_own_for_it(self, server, costs):
        Season.objects.bulk_create([Season(name="spring"), Season(name="autumn")])
        with costs(5):  # begin, select, update, select, commit
            Season.objects.update(year=2027)


class TestRefreshing:
    def test_the_whole_instance(self, item, change, costs):
        with suppress():
            Item.objects.update(name="pencil")
        item.refresh_from_db()
        item.name = "crayon"
        with costs(1):
            item.save()
        assert change() == (["name"], {"name": "pencil"})

    def test_some_fields(self, item, change, costs):
        with suppress():
            Item.objects.update(name="pencil", stock=9)
        item.refresh_from_db(fields=iter(["name"]))
        item.name = "crayon"
        item.stock = 2
        with costs(1):
            item.save()
        assert change() == (["name", "stock"], {"name": "pencil", "stock": 1})

    def test_drops_what_was_set_meanwhile(self, item, change):
        item.name = "pencil"
        item.refresh_from_db()
        item.save()
        assert change() == ([], {})

    def test_a_deferred_field_when_it_is_read(self, item, change, costs):
        part = Item.objects.defer("name").get()
        assert part.name == "pen"
        part.name = "crayon"
        with costs(1):
            part.save()
        assert change() == (["name"], {"name": "pen"})

    def test_from_another_database_knows_nothing_of_the_first(self, item, change):
        with suppress():
            Item(pk=item.pk, name="copy").save(using="other")
        item.refresh_from_db(using="other")
        item.save(using="default")
        assert change() == (["name", "price"], {"name": "pen", "price": "1.50"})

    def test_awaited(self, item, change, costs):
        async def write():
            await item.arefresh_from_db()
            item.name = "crayon"
            await item.asave()

        async_to_sync(write)()
        assert change() == (["name"], {"name": "pen"})


class TestValues:
    def test_expressions_before_and_after(self, item, entries, change):
        item.stock = F("stock") + 4
        item.save()
        assert entries("items")[-1]["data"]["stock"] == 5
        assert change() == (["stock"], {"stock": 1})
        item.stock = 7
        item.save()
        assert change() == (["stock"], {"stock": 5})

    def test_an_expression_among_update_fields_is_not_known_afterwards(self, item, change):
        item.stock = F("stock") + 4
        item.save(update_fields=["stock"])
        item.stock = 7
        item.save()
        assert change() == (["stock"], {"stock": 5})

    def test_what_was_changed_in_place(self, item, change):
        item.labels["colours"] = ["red"]
        item.save()
        assert change() == (["labels"], {"labels": {}})
        item.labels["colours"].append("blue")
        item.save()
        assert change() == (["labels"], {"labels": {"colours": ["red"]}})

    def test_files_by_name(self, item, change, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        item.picture.save("pen.png", ContentFile(b"png"))
        assert change() == (["picture"], {"picture": ""})
        item.picture = "other.png"
        item.save()
        assert change() == (["picture"], {"picture": "pen.png"})
        item.save()
        assert change() == ([], {})

    def test_a_relation_by_its_key(self, item, change):
        item.shop = Shop.objects.create(name="corner")
        item.save()
        assert change() == (["shop"], {"shop": None})
        item.shop_id = None
        item.save()
        assert change() == (["shop"], {"shop": Shop.objects.get().pk})

    def test_others_as_the_data_have_them(self, item, change):
        code, since = uuid.uuid4(), datetime(2026, 1, 2, tzinfo=UTC)
        item.code, item.since, item.price = code, since, Decimal("2.00")
        item.save()
        assert change() == (["price", "since", "code"], {"price": "1.50", "since": None, "code": None})
        item.code, item.since, item.price = None, None, 0
        item.save()
        assert change()[1] == {"price": "2.00", "since": "2026-01-02T00:00:00Z", "code": str(code)}

    @pytest.mark.parametrize(
        "same", [{"price": "1.5"}, {"price": Decimal("1.500")}, {"stock": "1"}, {"since": None}], ids=str
    )
    def test_the_same_written_otherwise_is_no_change(self, item, change, same):
        for name, value in same.items():
            setattr(item, name, value)
        item.save()
        assert change() == ([], {})

    def test_what_the_database_computes_is_no_change_of_its_own(self, server, entries, change):
        doubled = Doubled.objects.create(a=1)
        doubled.a = 4
        doubled.save()
        assert entries("doubled")[-1]["data"] == {"a": 4, "double": 8, "kind": "plain"}
        assert change("doubled") == (["a"], {"a": 1})


class TestWhatAFieldRefuses:
    @pytest.fixture
    def meter(self, server):
        """A meter that was loaded with a value which its field does not take."""
        with suppress():
            Meter.objects.create(count=1)
            Meter.objects.update(count=-42)
        return Meter.objects.get()

    def test_is_logged_and_counted_in_autocommit_where_the_row_is_committed(self, meter, entries, caplog):
        before = outcomes["rejected"]
        meter.count = 2
        meter.save()
        assert Meter.objects.get().count == 2
        assert entries("meters") == []
        assert "event_not_published stream=meters" in caplog.text
        assert "market.Meter.count: the field refuses its value" in caplog.text
        assert "-42" not in caplog.text
        assert outcomes["rejected"] == before + 1

    def test_raises_inside_a_transaction_and_takes_the_row_back(self, meter, entries):
        meter.count = 2
        with transaction.atomic():
            with pytest.raises(EventEncodeError, match=r"market\.Meter\.count"):
                meter.save()
            assert transaction.get_rollback()
        assert Meter.objects.get().count == -42
        assert entries("meters") == []

    def test_takes_a_bulk_write_back(self, meter, entries):
        with pytest.raises(EventEncodeError, match=r"market\.Meter\.count"):
            Meter.objects.update(count=2)
        assert Meter.objects.get().count == -42
        assert entries("meters") == []

    def test_keeps_no_later_event_back(self, meter, change):
        for count in (2, 3):
            meter.count = count
            meter.save()
        assert change("meters") == (["count"], {"count": 2})


class TestCopies:
    def test_a_copy_tells_its_own_changes(self, item, change, costs):
        twin = copy.copy(item)
        item.name = "pencil"
        item.save()
        twin.stock = 2
        with costs(1):
            twin.save()
        assert change() == (["stock"], {"stock": 1})  # it never knew of the other

    def test_a_deep_copy_knows_what_the_original_was_loaded_with(self, item, change, costs):
        twin = copy.deepcopy(item)
        twin.labels["a"] = 1
        with costs(1):
            twin.save()
        assert change() == (["labels"], {"labels": {}})

    def test_a_pickled_one_is_compared_with_the_database(self, item, change, costs):
        stored = pickle.dumps(item)
        item.name = "pencil"
        item.save()
        again = pickle.loads(stored)
        again.stock = 2
        with costs(2):
            again.save()
        assert change() == (["name", "stock"], {"name": "pencil", "stock": 1})

    def test_one_whose_save_failed_can_be_pickled(self, server):
        first, second = (Token.objects.create(name=name) for name in "ab")
        second.pk = first.pk
        with pytest.raises(IntegrityError):
            second.save(force_insert=True)
        assert pickle.loads(pickle.dumps(second)).name == "b"

    def test_one_without_its_key_is_a_new_object(self, item, entries, costs):
        item.pk = None
        with costs(1):
            item.save()
        event = entries("items")[-1]
        assert event["action"] == "create"
        assert not {"changed", "previous"} & set(event)

    def test_one_with_another_key_is_compared_with_that_row(self, item, change, costs):
        other = Item.objects.create(name="ruler")
        other.pk = item.pk
        with costs(2):
            other.save()
        assert change() == (["name", "price"], {"name": "pen", "price": "1.50"})

    def test_one_that_is_saved_elsewhere_is_compared_with_what_is_there(self, item, change):
        with suppress():
            Item(pk=item.pk, name="copy").save(using="other")
        item.save(using="other")
        assert change() == (["name", "price"], {"name": "copy", "price": "0.00"})


class TestLoading:
    def test_through_a_relation(self, item, change, costs):
        shop = Shop.objects.create(name="corner")
        with suppress():
            Item.objects.update(shop=shop)
        shop = Item.objects.select_related("shop").get().shop
        shop.town = "Ghent"
        with costs(1):
            shop.save()
        assert change("shops") == (["town"], None)

    def test_with_a_prefetch(self, item, change, costs):
        with suppress():
            Item.objects.update(shop=Shop.objects.create(name="corner"))
        shop = Shop.objects.prefetch_related(Prefetch("item_set")).get()
        (item,) = shop.item_set.all()
        item.name = "crayon"
        with costs(1):
            item.save()
        assert change() == (["name"], {"name": "pen"})

    def test_from_raw_sql(self, item, change, costs):
        (item,) = Item.objects.raw("SELECT id, name FROM market_item")
        item.name = "crayon"
        with costs(2):  # the update, and the rest of the event's data
            item.save(update_fields=["name"])
        assert change() == (["name"], {"name": "pen"})

    def test_as_a_proxy(self, item, change, costs):
        sale = SaleItem.objects.get()
        sale.name = "crayon"
        with costs(1):
            sale.save()
        assert change() == (["name"], {"name": "pen"})

    def test_where_the_class_has_its_own_ways(self, server, change, costs):
        Shouting.objects.create(name="hi")
        shouting = Shouting.objects.get()
        shouting.refresh_from_db()
        assert shouting.seen == ["hi", "loaded", "refreshed"]
        shouting.name = "ho"
        with costs(1):
            shouting.save()
        assert change("shouting") == (["name"], {"name": "hi"})


class TestParents:
    @pytest.fixture
    def boat(self, server):
        Engine.objects.create(pk=10**6)  # so that the two keys of a boat differ
        Boat.objects.create(name="Ada", colour="red", power=2)
        server.flushall()
        return Boat.objects.get()

    def test_a_child_tells_what_its_parent_declares(self, boat, change, costs):
        boat.colour, boat.name = "blue", "Eva"
        with costs(5):  # begin, two parents, itself, commit
            boat.save()
        assert change("hulls") == (["colour"], {"colour": "red"})

    def test_a_child_that_was_not_loaded_finds_its_parents_row(self, boat, entries, change):
        keys = ("engine_id", "engine_ptr_id", "hull_id", "hull_ptr_id")
        Boat(**{key: getattr(boat, key) for key in keys}, name="Ada", colour="blue").save()
        assert change("hulls") == (["colour"], {"colour": "red"})
        assert entries("hulls")[-1]["obj_id"] == boat.hull_id

    def test_a_new_child_of_a_row_that_exists_is_an_update_of_that(self, server, entries, change):
        hull = Hull.objects.create(colour="red")
        Boat(hull_ptr=hull, colour="blue", name="Ada").save()
        assert [event["action"] for event in entries("hulls")] == ["create", "update"]
        assert change("hulls") == (["colour"], {"colour": "red"})

    def test_a_new_child_is_a_creation(self, server, entries):
        Boat.objects.create(name="Ada", colour="red")
        assert [event["action"] for event in entries("hulls")] == ["create"]


class TestTransactions:
    def test_each_of_several_saves_tells_its_own(self, item, entries):
        with transaction.atomic():
            for name in ("pencil", "crayon"):
                item.name = name
                item.save()
        assert [event["previous"] for event in entries("items")] == [{"name": "pen"}, {"name": "pencil"}]

    def test_update_fields_leave_the_rest_to_the_next_save(self, item, change):
        item.name, item.stock = "pencil", 2
        item.save(update_fields=["name"])
        assert change() == (["name"], {"name": "pen"})
        item.save()
        assert change() == (["stock"], {"stock": 1})

    def test_after_a_rollback_the_database_is_asked(self, item, change, costs):
        with ignoring(Rollback), transaction.atomic():
            item.name = "pencil"
            item.save()
            raise Rollback
        item.stock = 2
        with costs(2):
            item.save()
        assert change() == (["name", "stock"], {"name": "pen", "stock": 1})

    def test_after_the_rollback_of_a_savepoint_the_database_is_asked(self, item, change):
        with transaction.atomic():
            item.stock = 2
            item.save()
            with ignoring(Rollback), transaction.atomic():
                item.name = "pencil"
                item.save()
                raise Rollback
            item.price = 3
            item.save()
        assert change() == (["name", "price"], {"name": "pen", "price": "1.50"})

    def test_another_savepoints_rollback_takes_nothing_back(self, item, change, costs):
        with transaction.atomic():
            item.name = "pencil"
            item.save()
            with ignoring(Rollback), transaction.atomic():
                Item.objects.create(name="gone")
                raise Rollback
            item.name = "crayon"
            with costs(1):
                item.save()
        assert change() == (["name"], {"name": "pencil"})

    @pytest.mark.parametrize(
        "load", [lambda item: item.refresh_from_db(), lambda item: item.refresh_from_db(fields=["name"])]
    )
    def test_what_was_read_in_a_transaction_is_rolled_back_with_it(self, item, change, load):
        with ignoring(Rollback), transaction.atomic():
            item.name = "pencil"
            item.save()
            load(item)
            raise Rollback
        item.stock = 2
        item.save()
        assert change() == (["name", "stock"], {"name": "pen", "stock": 1})

    def test_what_was_loaded_in_a_transaction_is_rolled_back_with_it(self, item, change):
        with ignoring(Rollback), transaction.atomic(), suppress():
            Item.objects.update(name="pencil")
            loaded = Item.objects.get()
            raise Rollback
        loaded.save()
        assert change() == (["name"], {"name": "pen"})

    def test_what_was_loaded_in_a_committed_transaction_is_known(self, item, change, costs):
        with transaction.atomic():
            loaded = Item.objects.select_for_update().get()
        loaded.name = "crayon"
        with costs(1):
            loaded.save()
        assert change() == (["name"], {"name": "pen"})

    def test_a_rolled_back_creation_is_created_again(self, server, entries):
        with ignoring(Rollback), transaction.atomic():
            item = Item.objects.create(name="pen")
            raise Rollback
        item.save()
        (event,) = entries("items")
        assert event["action"] == "create"

    def test_a_failed_save_changes_nothing(self, item, change):
        item.name = None
        with pytest.raises(IntegrityError):
            item.save()
        item.name = "crayon"
        item.save()
        assert change() == (["name"], {"name": "pen"})


class TestOtherWrites:
    def test_a_bulk_update_is_what_the_next_save_is_compared_with(self, server, entries, change, costs):
        season = Season.objects.create(name="spring")
        season.name, season.year = "summer", 2027
        Season.objects.bulk_update([season], ["name"])
        with costs(1):
            season.save()
        assert [event["changed"] for event in entries("seasons")[1:]] == [["name"], ["year"]]

    def test_a_bulk_update_that_is_suppressed_as_well(self, server, change):
        season = Season.objects.create(name="spring")
        season.name = "summer"
        with suppress():
            Season.objects.bulk_update([season], ["name"])
        season.save()
        assert change("seasons") == ([], {})

    def test_what_was_created_in_bulk_is_known(self, server, change, costs):
        (season,) = Season.objects.bulk_create([Season(name="spring")])
        season.name = "summer"
        with costs(1):
            season.save()
        assert change("seasons") == (["name"], {"name": "spring"})

    @pytest.mark.usefixtures("upserts")
    def test_what_was_created_or_updated_in_bulk_is_asked_for(self, server, change):
        season = Season.objects.create(name="spring")
        season.name = "summer"
        Season.objects.bulk_create(
            [season], update_conflicts=True, unique_fields=["pk"], update_fields=["name", "year"]
        )
        season.year = 2027
        season.save()
        assert change("seasons") == (["year"], {"year": 2026})

    def test_a_raw_save_is_asked_for(self, item, change):
        item.name = "pencil"
        item.save_base(raw=True)
        item.save()
        assert change() == ([], {})

    def test_a_suppressed_save_is_known(self, item, change, costs):
        item.name = "pencil"
        with suppress("items"):
            item.save()
        item.stock = 2
        with costs(1):
            item.save()
        assert change() == (["stock"], {"stock": 1})


def test_without_fields_names_are_told_and_no_values(server, entries):
    shop = Shop.objects.create(name="corner")
    shop.town = "Ghent"
    shop.save()
    assert entries("shops")[-1] == {
        "obj_id": shop.pk,
        "obj_type": "market.shop",
        "action": "update",
        "changed": ["town"],
    }


def test_a_receiver_that_saves_again_leaves_each_event_its_change(server, entries):
    from django.db.models.signals import pre_save

    def save_twin(instance, **_):
        pre_save.disconnect(sender=Cart, dispatch_uid="twin")
        twin = copy.copy(instance)
        twin.quantity = 5
        twin.save()

    cart = Cart.objects.create(name="c")
    pre_save.connect(save_twin, sender=Cart, dispatch_uid="twin", weak=False)
    cart.name = "d"
    cart.save()
    assert [event["changed"] for event in entries("carts")[1:]] == [["name", "quantity"], ["name"]]


class TestInDjangosOwnTestCase(TestCase):
    """Where what all tests share is made in one transaction, and copied for each."""

    @classmethod
    def setUpTestData(cls):
        with suppress():
            cls.item = Item.objects.create(name="pen")
            cls.tag = Tag.objects.create(name="t")

    def test_the_shared_instance_is_known(self):
        self.item.name = "pencil"
        with suppress(), self.assertNumQueries(1):
            self.item.save()

    def test_and_known_again(self):
        with self.captureOnCommitCallbacks() as callbacks, suppress(), self.assertNumQueries(1):
            self.item.save()
        assert len(callbacks) == 1
