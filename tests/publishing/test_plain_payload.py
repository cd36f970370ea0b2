"""The short way to a payload gives what the long one gives, or nothing."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db.models import F, TextChoices
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from stream_events.publishing.entries import encode
from stream_events.publishing.model_events import object_payload
from stream_events.publishing.plain_payload import PlainPayload
from tests.shop.models import Coordinate, Customer, Order, Page, Restaurant, Shelf, Sum

ORDINARY = ["number", "status", "quantity"]


class Suit(TextChoices):
    HEARTS = "hearts"


STRINGS = [
    "",
    "A1",
    'quoted "x" \\ /',
    "tab\tnew\nline",
    "\x00\x1f\x7f",
    "é ü 漢字 🎉",
    "\u2028",
    "</script>",
    "x" * 5000,
    Suit.HEARTS,
]


def both_ways(model, instance, names, action="update"):
    written = PlainPayload(model, action, names).write(instance)
    return written, encode("orders", object_payload(model, instance, action, names=names))


@pytest.mark.parametrize("text", STRINGS)
def test_strings_are_written_as_the_encoder_writes_them(text):
    written, expected = both_ways(Order, Order(pk=1, number=text, status="placed"), ORDINARY)
    assert written == (1, expected)


@pytest.mark.parametrize("number", [0, 1, -1, 2**63 - 1, None])
def test_numbers_and_nothing_are_too(number):
    written, expected = both_ways(Order, Order(pk=7, number="A1", quantity=number), ORDINARY)
    assert written == (7, expected)


def test_keys_of_related_objects_count_as_what_they_are():
    written, expected = both_ways(Page, Page(pk=2, title="b", parent_id=1), ["title", "parent", "origin"])
    assert written == (2, expected)
    assert PlainPayload(Order, "create", ["customer"]).write(Order(pk=1, customer=Customer())) is None  # a UUID


def test_without_fields_there_is_no_data():
    written, expected = both_ways(Shelf, Shelf(pk=3, name="x"), [])
    assert written == (3, expected)
    assert "data" not in json.loads(written[1])


def test_an_action_may_hold_anything():
    written, expected = both_ways(Order, Order(pk=1, number="A1"), ORDINARY, action='say "{hello}"')
    assert written == (1, expected)


@pytest.mark.parametrize(
    "values",
    [
        {"number": 5},
        {"number": b"bytes"},
        {"number": "\ud800"},
        {"number": gettext_lazy("lazy")},
        {"number": SimpleLazyObject(lambda: "lazy")},
        {"quantity": "5"},
        {"quantity": True},
        {"quantity": F("quantity") + 1},
        {"quantity": 5.0},
        {"pk": None},
        {"pk": "1"},
    ],
)
def test_values_that_a_field_would_convert_or_that_are_none_go_the_long_way(values):
    assert PlainPayload(Order, "update", ORDINARY).write(Order(**{"pk": 1, "number": "A1", **values})) is None


@pytest.mark.parametrize(
    ("model", "names", "values"),
    [
        (Order, ["total"], {"total": Decimal(1)}),
        (Order, ["due"], {"due": datetime(2026, 1, 1, tzinfo=UTC)}),
        (Order, ["receipt"], {}),
        (Order, ["notes"], {}),
        (Sum, ["double"], {}),
        (Customer, [], {}),
        (Coordinate, [], {"x": 1, "y": 2}),
        (Restaurant, ["stars"], {}),
    ],
)
def test_fields_and_keys_of_other_kinds_go_the_long_way(model, names, values):
    assert PlainPayload(model, "update", names).write(model(**values)) is None


def test_deferred_values_go_the_long_way():
    order = Order.from_db("default", ["id", "number"], [1, "A1"])
    assert PlainPayload(Order, "update", ORDINARY).write(order) is None
