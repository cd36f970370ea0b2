"""Which models a publisher covers, and what their writes publish."""

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.db.models.signals import post_save
from django.test import override_settings
from django.test.utils import CaptureQueriesContext, isolate_apps

from stream_events import StreamPublisher
from stream_events.exceptions import ConfigurationError, EventEncodeError
from tests.shop import models

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def test_create_update_and_delete_are_published(entries):
    order = models.Order.objects.create(number="A1")
    order.status = "shipped"
    order.save()
    key = order.pk
    order.delete()
    created, updated, deleted = entries("orders")
    assert created.items() >= {"obj_id": key, "obj_type": "shop.order", "action": "create"}.items()
    assert (updated["action"], updated["data"]["status"], "changed" in updated) == ("update", "shipped", False)
    assert (deleted["action"], deleted["obj_id"], deleted["data"]["number"]) == ("delete", key, "A1")


def test_update_fields_become_changed(entries):
    order = models.Order.objects.create(number="A1")
    order.save(update_fields=["customer_id", "status"])
    assert entries("orders")[1]["changed"] == ["status", "customer"]


def test_a_save_that_touches_no_declared_field_publishes_nothing(entries):
    order = models.Order.objects.create(number="A1")
    order.save(update_fields=["secret"])
    assert len(entries("orders")) == 1


def test_a_publisher_without_fields_tells_every_saved_name(entries):
    customer = models.Customer.objects.create(name="Ada")
    customer.save(update_fields=["name"])
    assert entries("customers")[1] == {
        "obj_id": str(customer.pk),
        "obj_type": "shop.customer",
        "action": "update",
        "changed": ["name"],
    }


def test_actions_limit_what_is_published(entries):
    shelf = models.Shelf.objects.create(name="top")
    shelf.save()
    shelf.delete()
    assert [event["action"] for event in entries("shelves")] == ["create"]


@pytest.mark.parametrize("model", [models.Shelf, models.Quiet])
def test_a_model_that_publishes_no_deletes_keeps_its_fast_deletes(model, server):
    model.objects.create(name="one")
    with CaptureQueriesContext(connection) as queries:
        model.objects.all().delete()
    assert not [query for query in queries if query["sql"].startswith("SELECT")]


def test_a_queryset_delete_publishes_each_instance_and_its_cascade(entries):
    customer = models.Customer.objects.create(name="Ada")
    models.Order.objects.create(number="A1", customer=customer)
    models.Order.objects.create(number="A2", customer=customer)
    models.Customer.objects.all().delete()
    deleted = [event["data"]["number"] for event in entries("orders") if event["action"] == "delete"]
    assert sorted(deleted) == ["A1", "A2"]
    assert entries("customers")[-1]["action"] == "delete"


def test_fixtures_publish_nothing(entries):
    models.Order(number="A1").save_base(raw=True)
    assert entries("orders") == []


def test_a_proxy_publishes_as_the_concrete_model(entries):
    rush = models.RushOrder.objects.create(number="A1")
    rush.save()
    rush.delete()
    assert [event["obj_type"] for event in entries("orders")] == ["shop.order"] * 3


def test_a_child_publishes_once_for_each_publisher(entries):
    restaurant = models.Restaurant.objects.create(name="Chez", stars=2)
    key = restaurant.pk
    restaurant.delete()
    place = {"obj_id": key, "obj_type": "shop.place", "data": {"name": "Chez"}}
    assert [event["action"] for event in entries("places")] == ["create", "delete"]
    assert entries("places")[0] == {**place, "action": "create"}
    assert [(event["obj_type"], event["action"], event["data"]) for event in entries("restaurants")] == [
        ("shop.restaurant", "create", {"stars": 2}),
        ("shop.restaurant", "delete", {"stars": 2}),
    ]


def test_a_child_without_a_publisher_publishes_its_parents(entries):
    bar = models.Bar.objects.create(name="Luna")
    bar.save(update_fields=["happy_hour"])
    bar.save(update_fields=["name"])
    assert [(event["obj_type"], event["action"]) for event in entries("places")] == [
        ("shop.place", "create"),
        ("shop.place", "update"),
    ]


def test_deleting_a_child_and_keeping_its_parent_is_no_event_of_the_parent(entries):
    models.Bar.objects.create(name="Luna").delete(keep_parents=True)
    assert [event["action"] for event in entries("places")] == ["create"]


def test_an_abstract_base_gives_its_publisher_to_its_children(entries):
    models.Parcel.objects.create(name="p")
    (event,) = entries("tracked")
    assert (event["obj_type"], event["data"]) == ("shop.parcel", {"name": "p"})


def test_a_child_may_replace_or_drop_the_publisher_of_its_abstract_base(entries):
    models.Letter.objects.create(name="l")
    models.Silent.objects.create(name="s")
    assert entries("tracked") == []
    assert [event["obj_type"] for event in entries("letters")] == ["shop.letter"]


def test_a_plain_mixin_gives_its_publisher_to_models(entries):
    models.Mixed.objects.create(name="m")
    assert entries("mixed")[0]["obj_type"] == "shop.mixed"


def test_a_model_of_somebody_else_can_be_connected(entries):
    user = User.objects.create_user("ada")
    assert entries("users") == [
        {"obj_id": user.pk, "obj_type": "auth.user", "action": "create", "data": {"username": "ada"}}
    ]


def test_connecting_twice_publishes_once(entries):
    users = apps.get_app_config("shop").users
    assert users.connect(User).connect("auth.User") is users
    User.objects.create_user("ada")
    assert len(entries("users")) == 1


@pytest.mark.parametrize("label", ["shop.Nothing", "nowhere.Thing", "Order"])
def test_connecting_an_unknown_model_says_so(label):
    with pytest.raises(ConfigurationError, match=r"app_label\.ModelName"):
        StreamPublisher("orders").connect(label)


@isolate_apps("tests.shop")
def test_models_of_migrations_publish_nothing():
    from django.db import migrations
    from django.db.migrations.state import ModelState, ProjectState
    from django.db.models import BigAutoField

    state = ProjectState()
    bases = (models.PlainMixin, migrations.operations.models.models.Model)
    state.add_model(ModelState("shop", "Mixed", [("id", BigAutoField(primary_key=True))], bases=bases))
    historical = state.apps.get_model("shop", "Mixed")
    assert historical.changes.stream == "mixed"
    assert not post_save.has_listeners(historical)


class TestValues:
    def test_are_what_the_field_makes_of_them(self, entries):
        order = models.Order(number=5, total="12.5", quantity="3", due="2026-01-02T03:04:05Z", notes={"a": [1]})
        order.receipt.name = "r.pdf"
        order.customer = models.Customer.objects.create(name="Ada")
        order.save()
        assert entries("orders")[0]["data"] == {
            "number": "5",
            "status": "placed",
            "total": "12.5",
            "quantity": 3,
            "customer": str(order.customer_id),
            "receipt": "r.pdf",
            "due": "2026-01-02T03:04:05Z",
            "notes": {"a": [1]},
        }

    def test_expressions_are_read_with_one_query_at_most(self, entries, django_assert_max_num_queries):
        order = models.Order.objects.create(number="A1", quantity=4)
        order.quantity = F("quantity") + 1
        order.total = F("total") + 2
        with django_assert_max_num_queries(2):  # newer Django learns the values while it saves
            order.save()
        assert entries("orders")[1]["data"].items() >= {"quantity": 5, "total": "2.00"}.items()

    @pytest.mark.parametrize("action", ["save", "delete"])
    def test_deferred_fields_are_read_with_one_query(self, entries, action):
        models.Order.objects.create(number="A1", quantity=4)
        getattr(models.Order.objects.only("id").get(), action)()
        assert entries("orders")[1]["data"].items() >= {"number": "A1", "quantity": 4}.items()

    def test_generated_fields_are_read(self, entries):
        sum_ = models.Sum.objects.create(a=1)
        sum_.a = 4
        sum_.save()
        assert [event["data"] for event in entries("sums")] == [{"a": 1, "double": 2}, {"a": 4, "double": 8}]

    def test_are_read_past_a_manager_that_hides_the_row(self, entries):
        models.Hidden.objects.create(name="h")
        models.Hidden.objects.only("id").get().delete()
        assert entries("hidden")[1]["data"] == {"name": "h"}

    def test_a_key_given_as_text_keeps_the_type_of_its_field(self, entries):
        models.Order.objects.create(pk="41", number="A1")
        assert entries("orders")[0]["obj_id"] == 41

    def test_a_composite_key_is_a_list(self, entries):
        models.Coordinate.objects.create(x=1, y=2)
        assert entries("coordinates")[0]["obj_id"] == [1, 2]


class TestWhatJsonCannotCarry:
    def test_raises_inside_a_transaction_and_takes_the_row_back(self, entries):
        from django.db import transaction

        with pytest.raises(EventEncodeError, match=r"shop\.blob"), transaction.atomic():
            models.Blob.objects.create(content=b"\xff")
        assert not models.Blob.objects.exists()

    def test_is_logged_in_autocommit_where_the_row_is_committed(self, entries, caplog):
        models.Blob.objects.create(content=b"\xff")
        assert models.Blob.objects.exists()
        assert "event_not_published stream=blobs" in caplog.text

    def test_is_named_without_its_value(self):
        order = models.Order(pk=1, number="A1", total="4111 1111")
        with pytest.raises(EventEncodeError, match=r"shop\.Order\.total") as caught:
            order.events.publish("paid")
        assert "4111" not in str(caught.value)

    def test_includes_nan(self, entries, caplog):
        models.Order.objects.create(number="A1", notes={})
        order = models.Order.objects.get()
        order.events.publish("rated", data={"stars": 5.0})
        with pytest.raises(EventEncodeError, match="JSON"):
            order.events.publish("rated", data={"stars": float("nan")})

    @override_settings(STREAM_EVENTS={"URL": "redis://127.0.0.1:1", "MAX_PAYLOAD": 200})
    def test_includes_payloads_that_are_too_large(self):
        with pytest.raises(EventEncodeError, match="MAX_PAYLOAD"):
            StreamPublisher("orders").add({"obj_id": 1, "text": "x" * 300})


def test_nothing_is_published_when_disabled(entries, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ENABLED": False}
    order = models.Order.objects.create(number="A1")
    order.events.publish("paid")
    assert StreamPublisher("orders").add({"obj_id": 1}) == (None, 1)
    assert StreamPublisher("orders").batch_add([{"obj_id": 1}]) == ([], [])
    assert entries("orders") == []
