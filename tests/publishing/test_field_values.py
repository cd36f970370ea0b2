"""How the values of a field's kind look in an event."""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.state import ProjectState
from django.db.models import F, Value
from django.db.models.functions import Upper
from django.test.utils import CaptureQueriesContext, isolate_apps

from stream_events import StreamPublisher
from tests.market.models import Doubled, Item, Shop
from tests.shop.models import Coordinate, Customer, Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def last(entries):
    return lambda stream="items": entries(stream)[-1]["data"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("name", "ä “quote” \x00"[:-1], "ä “quote” "),
        ("name", 5, "5"),
        ("price", Decimal("12.50"), "12.50"),
        ("price", "3", "3"),
        ("stock", "7", 7),
        ("stock", True, 1),
        ("labels", {"a": [1, None, {"b": 1.5}]}, {"a": [1, None, {"b": 1.5}]}),
        ("labels", [], []),
        ("picture", "pen.png", "pen.png"),
        ("since", datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        ("since", "2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00"),
        ("since", None, None),
        ("code", uuid.UUID(int=5), str(uuid.UUID(int=5))),
        ("code", "00000000000000000000000000000005", str(uuid.UUID(int=5))),
        ("shop", None, None),
    ],
)
def test_a_value_is_what_the_field_makes_of_it(server, last, name, value, told):
    Item.objects.create(**{"name": "pen", name: value})
    assert last()[name] == told


def test_what_is_loaded_is_told_as_what_was_set(server, entries):
    Item.objects.create(name="pen", price=Decimal("2.00"), code=uuid.uuid4(), since=datetime(2026, 1, 2, tzinfo=UTC))
    Item.objects.get().save()
    created, updated = entries("items")
    assert created["data"] == updated["data"]


def test_a_file_is_told_by_the_name_that_the_storage_gave_it(server, last, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    (tmp_path / "pen.png").write_bytes(b"")
    item = Item(name="pen")
    item.picture.save("pen.png", ContentFile(b"png"))
    assert last()["picture"] == item.picture.name != "pen.png"


def test_a_relation_is_told_by_its_key_without_loading_it(server, last, django_assert_num_queries):
    shop = Shop.objects.create(name="corner")
    with django_assert_num_queries(1):
        Item.objects.create(name="pen", shop_id=shop.pk)
    assert last()["shop"] == shop.pk
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(number="A1", customer=customer)
    assert last("orders")["customer"] == str(customer.pk)


def test_what_the_database_computes_is_read(server, last):
    doubled = Doubled.objects.create(a=2)
    assert last("doubled") == {"a": 2, "double": 4, "kind": "plain"}
    doubled.a = 5
    doubled.save()
    assert last("doubled")["double"] == 10


def test_defaults_of_the_database_are_told_or_replaced(server, last):
    Doubled.objects.create(a=1, kind="other")
    assert last("doubled")["kind"] == "other"


@pytest.mark.parametrize("expression", [F("name"), Upper("name"), Value("PEN")])
def test_expressions_are_read_once_they_are_written(server, last, expression):
    item = Item.objects.create(name="PEN")
    item.name = expression
    item.save()
    assert last()["name"] == "PEN"


def test_several_that_are_not_held_are_read_in_one_query(server, last):
    Item.objects.create(name="pen", stock=4)
    item = Item.objects.only("id").get()
    with CaptureQueriesContext(connection) as captured:
        item.events.publish("seen")
    assert len(captured) == 1
    assert (last()["name"], last()["stock"]) == ("pen", 4)


def test_a_row_that_is_gone_has_no_values_to_read(server, last):
    Item.objects.create(name="pen")
    part = Item.objects.defer("name").get()
    Item.objects.all().delete()
    part.events.publish("seen")
    assert last()["name"] is None


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Item.objects.create(pk="12", name="a"), 12),
        (lambda: Customer.objects.create(pk=uuid.UUID(int=7)), str(uuid.UUID(int=7))),
        (lambda: Coordinate.objects.create(x=3, y="4"), [3, 4]),
    ],
    ids=["number", "uuid", "composite"],
)
def test_a_key_keeps_its_type_in_json(server, entries, make, key):
    stream = make().events._publisher.stream
    assert entries(stream)[0]["obj_id"] == key


def test_a_fixture_publishes_nothing(server, tmp_path):
    fields = {"name": "pen", "labels": {}}
    fixture = tmp_path / "items.json"
    fixture.write_text(json.dumps([{"model": "market.item", "pk": pk, "fields": fields} for pk in (1, 2)]))
    for _ in range(2):  # creates them, then writes them again
        call_command("loaddata", str(fixture), verbosity=0)
    assert Item.objects.count() == 2
    assert server.keys() == []


def test_the_model_of_a_migration_publishes_nothing(server):
    historical = ProjectState.from_apps(Item._meta.apps).apps.get_model("market", "Item")
    item = historical.objects.create(name="pen")
    item.name = "pencil"
    item.save()
    historical.objects.all().delete()
    assert server.keys() == []


@isolate_apps("tests.market")
def test_a_publisher_of_an_abstract_base_covers_what_is_defined_later(server):
    class Base(models.Model):
        events = StreamPublisher("later")

        class Meta:
            app_label = "market"
            abstract = True

    class Later(Base):
        class Meta:
            app_label = "market"

    assert list(Base.events.attachments) == [Later]
