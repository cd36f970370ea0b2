"""``coalesce=True``: several writes of one object in one transaction leave as one event."""

import contextlib

import pytest
from django.db import transaction
from django.test import override_settings

from stream_events import suppress
from tests.market.models import Basket, Cart, Tag, Token

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Rollback(Exception):
    pass


@contextlib.contextmanager
def rolled_back():
    with contextlib.suppress(Rollback), transaction.atomic():
        yield
        raise Rollback


@pytest.fixture
def cart(server):
    """A cart that the stream knows nothing of."""
    Cart.objects.create(name="c")
    server.flushall()
    return Cart.objects.get()


@pytest.fixture
def told(entries):
    """Action and data of the events."""
    return lambda: [(event["action"], event["data"]["name"], event["data"]["quantity"]) for event in entries("carts")]


def change(cart, **values):
    for name, value in values.items():
        setattr(cart, name, value)
    cart.save()


class TestOneObject:
    def test_created_and_updated_is_created_as_it_is_in_the_end(self, server, entries):
        with transaction.atomic():
            cart = Cart.objects.create(name="c")
            change(cart, quantity=1)
            change(cart, quantity=2)
        (event,) = entries("carts")
        assert event == {
            "obj_id": cart.pk,
            "obj_type": "market.cart",
            "action": "create",
            "data": {"name": "c", "quantity": 2},
        }

    def test_updated_again_adds_up(self, cart, entries):
        with transaction.atomic():
            change(cart, quantity=1)
            change(cart, name="d")
            change(cart, quantity=2)
        (event,) = entries("carts")
        assert event["data"] == {"name": "d", "quantity": 2}
        assert sorted(event["changed"]) == ["name", "quantity"]
        assert event["previous"] == {"name": "c", "quantity": 0}

    def test_updated_with_other_fields_each_time(self, server, entries):
        basket = Basket.objects.create(name="b")
        with transaction.atomic():
            basket.save(update_fields=["quantity"])
            basket.save(update_fields=["name"])
        assert entries("carts")[1]["changed"] == ["quantity", "name"]

    def test_what_has_changed_is_unknown_if_it_is_of_one_part(self, server, entries):
        basket = Basket.objects.create(name="b")
        with transaction.atomic():
            basket.save(update_fields=["quantity"])
            basket.save()
        assert "changed" not in entries("carts")[1]

    def test_created_and_deleted_is_nothing(self, server, told):
        with transaction.atomic():
            cart = Cart.objects.create(name="c")
            change(cart, quantity=1)
            cart.delete()
        assert told() == []

    def test_updated_and_deleted_is_deleted(self, cart, entries):
        with transaction.atomic():
            change(cart, quantity=1)
            cart.delete()
        (event,) = entries("carts")
        assert (event["action"], event["data"]["quantity"]) == ("delete", 1)
        assert not {"changed", "previous"} & set(event)

    def test_deleted_and_created_stays_two(self, cart, told):
        key = cart.pk
        with transaction.atomic():
            cart.delete()
            again = Cart.objects.create(pk=key, name="again")
            change(again, quantity=1)
        assert told() == [("delete", "c", 0), ("create", "again", 1)]

    def test_created_deleted_and_created_is_created(self, server, told):
        with transaction.atomic():
            cart = Cart.objects.create(name="c")
            key = cart.pk
            cart.delete()
            Cart.objects.create(pk=key, name="again")
        assert told() == [("create", "again", 0)]

    def test_written_once_is_as_it_was(self, cart, told):
        with transaction.atomic():
            change(cart, quantity=1)
        assert told() == [("update", "c", 1)]

    def test_in_two_transactions_is_two(self, cart, told):
        for quantity in (1, 2):
            with transaction.atomic():
                change(cart, quantity=quantity)
        change(cart, quantity=3)
        assert [quantity for *_, quantity in told()] == [1, 2, 3]

    def test_keeps_the_id_of_the_first(self, cart, server):
        with transaction.atomic():
            change(cart, quantity=1)
            first = _waiting()[0]
            change(cart, quantity=2)
        ((_, fields),) = server.xrange("t:carts")
        assert fields[b"event_id"].decode() == first.event_id


def _waiting():
    """The entries that wait for the commit."""
    hooks = (getattr(function, "__self__", None) for _, function, *_ in transaction.get_connection().run_on_commit)
    return [entry for hook in hooks for entry in getattr(hook, "entries", ())]


class TestInBetween:
    def test_other_objects_keep_their_place(self, server, told):
        with transaction.atomic():
            first = Cart.objects.create(name="a")
            second = Cart.objects.create(name="b")
            change(first, quantity=1)
            change(second, quantity=2)
        assert told() == [("create", "a", 1), ("create", "b", 2)]

    def test_other_verbs_keep_their_place(self, cart, told):
        with transaction.atomic():
            change(cart, quantity=1)
            cart.events.publish("paid")
            change(cart, quantity=2)
            cart.events.publish("paid")
        assert told() == [("update", "c", 2), ("paid", "c", 1), ("paid", "c", 2)]

    def test_objects_of_another_kind_with_the_same_key_are_others(self, server, entries):
        with transaction.atomic():
            Cart.objects.create(pk=7, name="c")
            Basket.objects.create(pk=7, name="b")
        assert [event["obj_type"] for event in entries("carts")] == ["market.cart", "market.basket"]

    def test_publishers_that_do_not_want_it_tell_everything(self, server, entries):
        with transaction.atomic():
            token = Token.objects.create(name="t")
            token.save()
            cart = Cart.objects.create(name="c")
            cart.save()
        assert len(entries("tokens")) == 2
        assert len(entries("carts")) == 1


class TestSavepoints:
    def test_a_rollback_takes_its_part_back(self, cart, entries):
        with transaction.atomic():
            change(cart, quantity=1)
            with rolled_back():
                change(cart, name="gone")
            change(cart, name="c", quantity=2)
        (event,) = entries("carts")
        assert (event["data"], event["changed"]) == ({"name": "c", "quantity": 2}, ["quantity"])
        assert event["previous"] == {"quantity": 0}

    def test_a_rollback_of_a_deletion_leaves_the_update(self, cart, told):
        with transaction.atomic():
            change(cart, quantity=1)
            with rolled_back():
                cart.delete()
        assert told() == [("update", "c", 1)]

    def test_a_rollback_of_the_creation_leaves_nothing(self, server, told):
        with transaction.atomic():
            with rolled_back():
                change(Cart.objects.create(name="gone"), quantity=1)
            Tag.objects.create(name="x")
        assert told() == []

    def test_a_released_one_adds_up_with_the_rest(self, cart, told):
        with transaction.atomic():
            change(cart, quantity=1)
            with transaction.atomic():
                change(cart, quantity=2)
            change(cart, quantity=3)
        assert told() == [("update", "c", 3)]


def test_two_databases_are_two_transactions(server, told):
    with transaction.atomic(), transaction.atomic(using="other"):
        for using in ("default", "other"):
            cart = Cart.objects.using(using).create(pk=5, name=using)
            change(cart, quantity=1)
    assert sorted(told()) == [("create", "default", 1), ("create", "other", 1)]


def test_parts_that_are_too_large_together_stay_apart(cart, server, settings):
    def write():
        with transaction.atomic():
            change(cart, name="c")
            change(cart, quantity=1)
        payloads = [fields[b"payload"] for _, fields in server.xrange("t:carts")]
        with suppress():
            change(cart, name="x" * 20, quantity=10**9)
        server.delete("t:carts")
        return payloads

    write()
    (together,) = write()
    with override_settings(STREAM_EVENTS={**settings.STREAM_EVENTS, "MAX_PAYLOAD": len(together) - 1}):
        assert len(write()) == 2
