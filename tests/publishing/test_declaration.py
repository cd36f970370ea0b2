"""What a publisher may be told, and what its functions do to an event."""

import dataclasses
import inspect
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from stream_events import StreamPublisher, suppress
from stream_events.exceptions import ConfigurationError, EventEncodeError
from tests.market.models import Draft, Payment, Tag


class Broken(Exception):
    pass


def fail(*_):
    raise Broken


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stream": ""}, "non-empty"),
        ({"stream": None}, "stream"),
        ({"fields": "number"}, r"fields=\['number'\]"),
        ({"fields": [1]}, "something else than names"),
        ({"actions": ["save"]}, "actions has save"),
        ({"actions": "create"}, r"actions=\['create'\]"),
        ({"via": "relay"}, "via is 'relay'; it is one of 'commit', 'outbox'"),
        ({"when": True}, "when is True, which cannot be called"),
        ({"serializer": "OrderSerializer"}, "cannot be called"),
        ({"serializer": dict, "fields": ["number"]}, "give one of them"),
        ({"changes": ["number"]}, r"changes is \['number'\]"),
        ({"coalesce": 1}, "coalesce is 1"),
        ({"version": 1.5}, r"version is 1\.5"),
        ({"version": True}, "version is True"),
    ],
)
def test_what_cannot_be_says_so_where_it_stands(options, reason):
    with pytest.raises(ConfigurationError, match=reason):
        StreamPublisher(**{"stream": "orders", **options})


@pytest.mark.parametrize("option", ["when", "serializer"])
def test_a_function_that_has_to_be_awaited_cannot_be(option):
    async def decide(*_):
        return False

    with pytest.raises(ConfigurationError, match=f"{option} is async"):
        StreamPublisher("orders", **{option: decide})


def test_the_options_are_those_of_the_contract():
    stream, *options = list(inspect.signature(StreamPublisher).parameters.values())
    assert (stream.name, stream.kind, stream.default) == (
        "stream",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        stream.empty,
    )
    assert all(option.kind is inspect.Parameter.KEYWORD_ONLY for option in options)
    assert {option.name: option.default for option in options} == {
        "fields": (),
        "actions": ("create", "update", "delete"),
        "via": "commit",
        "when": None,
        "changes": False,
        "serializer": None,
        "version": None,
        "coalesce": False,
    }


@dataclasses.dataclass
class Summary:
    amount: Decimal
    on: date = date(2026, 1, 2)


class Schema:
    """As pydantic's models."""

    def __init__(self, value):
        self.value = value

    def model_dump(self, mode):
        return {"mode": mode, **self.value} if isinstance(self.value, dict) else self.value


class Rest:
    """As the serializers of Django REST framework."""

    def __init__(self, payment):
        self.payment = payment

    @property
    def data(self):
        return {"amount": self.payment.amount}


class BrokenRest(Rest):
    @property
    def data(self):
        return {"amount": self.payment.sum}


@pytest.fixture
def describe(monkeypatch):
    return lambda function: monkeypatch.setattr(Payment, "describe", staticmethod(function))


@pytest.fixture
def decide(monkeypatch):
    return lambda function: monkeypatch.setattr(Payment, "decide", staticmethod(function))


@pytest.mark.django_db(transaction=True)
class TestSerializer:
    @pytest.mark.parametrize(
        ("function", "data"),
        [
            (lambda payment: {"amount": payment.amount}, {"amount": 5}),
            (lambda payment: Summary(Decimal("5.0")), {"amount": "5.0", "on": "2026-01-02"}),
            (Rest, {"amount": 5}),
            (lambda payment: Schema({"amount": 5}), {"mode": "json", "amount": 5}),
            (lambda payment: {}, {}),
        ],
        ids=["mapping", "dataclass", "data", "model_dump", "empty"],
    )
    def test_makes_the_data(self, server, entries, describe, function, data):
        describe(function)
        Payment.objects.create(amount=5)
        assert entries("described")[0]["data"] == data

    @pytest.mark.parametrize(
        ("function", "reason"),
        [
            (lambda payment: None, "NoneType, no mapping"),
            (lambda payment: [1], "list, no mapping"),
            (lambda payment: Summary, "type, no mapping"),
            (lambda payment: Schema([1]), "list, no mapping"),
            (lambda payment: SimpleNamespace(data=[1]), "SimpleNamespace, no mapping"),
            (BrokenRest, "no mapping: 'Payment' object has no attribute 'sum'"),
            (lambda payment: {"amount": object()}, "not JSON serializable"),
        ],
        ids=["nothing", "list", "class", "dumped list", "data that is a list", "broken data", "no JSON"],
    )
    def test_that_makes_something_else_takes_the_write_back(self, server, describe, function, reason):
        describe(function)
        with pytest.raises(EventEncodeError, match=reason):
            Payment.objects.create()
        assert not Payment.objects.exists()

    def test_is_not_asked_about_a_verb_with_data_of_its_own(self, server, entries, describe):
        payment = Payment.objects.create()
        describe(fail)
        payment.described.publish("refunded", data={"reason": "late"})
        assert entries("described")[1]["data"] == {"reason": "late"}

    def test_is_asked_about_a_verb_without(self, server, entries):
        payment = Payment.objects.create(amount=5)
        payment.described.publish("refunded")
        assert entries("described")[1]["data"] == {"amount": 5}

    def test_is_asked_before_the_row_goes(self, server, entries):
        Payment.objects.create(amount=5).delete()
        assert entries("described")[1]["data"] == {"amount": 5}


@pytest.mark.django_db(transaction=True)
class TestWhen:
    def test_is_asked_with_the_action(self, server, entries, decide):
        asked = []
        decide(lambda payment, action: asked.append((payment.pk, action)))
        payment = Payment.objects.create()
        key = payment.pk
        payment.save()
        payment.decided.publish("refunded")
        payment.delete()
        assert asked == [(key, action) for action in ("create", "update", "refunded", "delete")]
        assert entries("decided") == []

    def test_lets_through_what_it_likes(self, server, entries, decide):
        decide(lambda payment, action: payment.amount > 1)
        for amount in range(4):
            Payment.objects.create(amount=amount)
        assert len(entries("decided")) == 2

    def test_is_not_asked_where_nothing_is_published(self, server, decide):
        decide(fail)
        with suppress():
            Payment.objects.create().decided.publish("paid")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("function", ["decide", "describe"])
class TestAFunctionThatRaises:
    @pytest.fixture
    def broken(self, monkeypatch, server, function):
        with suppress():
            payment = Payment.objects.create(amount=1)
        monkeypatch.setattr(Payment, function, staticmethod(fail))
        return payment

    @pytest.mark.parametrize(
        "write",
        [
            lambda payment: Payment.objects.create(amount=2),
            lambda payment: Payment(pk=payment.pk, amount=2).save(),
            lambda payment: payment.delete(),
            lambda payment: Payment.objects.all().delete(),
        ],
        ids=["create", "save", "delete", "delete all"],
    )
    def test_takes_the_write_back_in_autocommit(self, broken, entries, write):
        with pytest.raises(Broken):
            write(broken)
        assert list(Payment.objects.values_list("amount", flat=True)) == [1]
        assert entries("decided") == entries("described") == []

    def test_takes_the_transaction_back_even_if_it_is_caught_there(self, broken, entries):
        with transaction.atomic():
            Tag.objects.create(name="x")
            with pytest.raises(Broken):
                Payment.objects.create()
            with pytest.raises(TransactionManagementError):
                Tag.objects.create(name="y")
        assert Payment.objects.count() == 1
        assert not Tag.objects.exists()
        assert entries("decided") == entries("described") == []

    def test_takes_its_savepoint_back_and_nothing_else(self, broken, entries):
        with transaction.atomic():
            Tag.objects.create(name="x")
            with pytest.raises(Broken), transaction.atomic():
                Payment.objects.create()
        assert Tag.objects.exists()
        assert Payment.objects.count() == 1

    def test_publishes_no_verb_either(self, broken, entries, function):
        publisher = broken.decided if function == "decide" else broken.described
        with pytest.raises(Broken):
            publisher.publish("refunded")
        assert entries("decided") == entries("described") == []


@pytest.mark.django_db(transaction=True)
def test_a_function_that_raises_takes_a_relation_back(server, entries, monkeypatch):
    draft, tag = Draft.objects.create(), Tag.objects.create(name="x")
    monkeypatch.setattr(Draft.events, "when", fail)
    with pytest.raises(Broken):
        draft.tags.add(tag)
    assert not draft.tags.exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_that_cannot_be_encoded_takes_the_transaction_back_even_if_it_is_caught(server):
    from tests.shop.models import Blob

    with transaction.atomic():
        with pytest.raises(EventEncodeError):
            Blob.objects.create(content=b"\xff")
        assert transaction.get_rollback()
    assert not Blob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_version_is_in_every_payload(server, entries):
    payment = Payment.objects.create()
    payment.decided.publish("paid")
    payment.delete()
    assert [event["version"] for event in entries("decided")] == [2, 2, 2]
    assert "version" not in entries("described")[0]
