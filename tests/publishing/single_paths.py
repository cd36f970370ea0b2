"""Writes of single objects, for the table of write paths."""

from asgiref.sync import async_to_sync
from django.core import serializers
from django.db import transaction
from django.db.models import F

from tests.publishing.paths import KINDS, A, B, C, Told, row, tells

BIG_A = A | {"name": "A"}


@tells(Told("new1", "create", row("d", 4)), kinds=KINDS)
def create(wares):
    wares.create(code="d", name="d", amount=4)


@tells(Told("new1", "create", row("d")))
def acreate(wares):
    async_to_sync(wares.acreate)(code="d", name="d")


@tells(Told("new1", "create", row("d")))
def save_a_new_one(wares):
    wares.model(code="d", name="d").save(using=wares.db)


@tells(Told("new1", "create", row("d", 4)))
def save_a_new_one_with_a_key(wares):
    wares.model(pk=10**6, code="d", name="d", amount=4).save(using=wares.db)


@tells(Told("a", "update", BIG_A), changes=[(["name"], {"name": "a"})], kinds=KINDS)
def save(wares):
    a = wares.get(code="a")
    a.name = "A"
    a.save()


@tells(Told("a", "update", A), changes=[([], {})])
def save_what_is_unchanged(wares):
    wares.get(code="a").save()


@tells(Told("a", "update", BIG_A), changes=[(["name"], {"name": "a"})])
def asave(wares):
    a = wares.get(code="a")
    a.name = "A"
    async_to_sync(a.asave)()


@tells(Told("a", "update", row("A", 7)), changes=[(["name", "amount", "box"], A)])
def save_over_a_row_that_was_not_loaded(wares):
    key = wares.get(code="a").pk
    wares.model(pk=key, code="a", name="A", amount=7).save(using=wares.db)


@tells(Told("a", "update", BIG_A, ["name"]), changes=[(["name"], {"name": "a"})], kinds=KINDS)
def save_with_update_fields(wares):
    a = wares.get(code="a")
    a.name = "A"
    a.save(update_fields=["name"])


@tells(undeclared=[Told("a", "update", A, ["note"])])
def save_an_undeclared_field(wares):
    a = wares.get(code="a")
    a.note = "n"
    a.save(update_fields=["note"])


@tells(
    Told("a", "update", BIG_A, ["name", "box"]),
    changes=[(["name"], {"name": "a"})],
    undeclared=[Told("a", "update", BIG_A, ["code", "name", "box", "note"])],
)
def save_with_a_deferred_field(wares):
    a = wares.defer("amount").get(code="a")
    a.name = "A"
    a.save()


@tells(Told("a", "update", A | {"amount": 11}), changes=[(["amount"], {"amount": 1})], kinds=KINDS)
def save_an_expression(wares):
    a = wares.get(code="a")
    a.amount = F("amount") + 10
    a.save()


@tells(
    Told("a", "update", A | {"amount": 11}, ["amount"]),
    Told("a", "update", A | {"amount": 5}),
    changes=[(["amount"], {"amount": 1}), (["amount"], {"amount": 11})],
    merged=[Told("a", "update", A | {"amount": 5})],
    both=[Told("a", "update", A | {"amount": 5}, ["amount"], {"amount": 1})],
)
def save_after_an_expression(wares):
    a = wares.get(code="a")
    a.amount = F("amount") + 10
    a.save(update_fields=["amount"])
    a.amount = 5
    a.save()


@tells(Told("new1", "create", row("d")))
def get_or_create_a_new_one(wares):
    wares.get_or_create(code="d", defaults={"name": "d"})


@tells()
def get_or_create_one_that_is_there(wares):
    wares.get_or_create(code="a", defaults={"name": "x"})


@tells(Told("new1", "create", row("d")))
def update_or_create_a_new_one(wares):
    wares.update_or_create(code="d", defaults={"name": "d"})


@tells(Told("a", "update", BIG_A, ["name"]), changes=[(["name"], {"name": "a"})])
def update_or_create_one_that_is_there(wares):
    wares.update_or_create(code="a", defaults={"name": "A"})


@tells(Told("a", "delete", A), kinds=KINDS)
def delete(wares):
    wares.get(code="a").delete()


@tells(Told("a", "delete", A))
def adelete(wares):
    async_to_sync(wares.get(code="a").adelete)()


@tells(Told("a", "delete", A))
def delete_one_with_deferred_fields(wares):
    wares.only("code").get(code="a").delete()


@tells()
def save_as_a_fixture(wares):
    text = serializers.serialize("json", [wares.get(code="a")])
    for one in serializers.deserialize("json", text, using=wares.db):
        one.save(using=wares.db)


@tells(Told("b", "sold", B), Told("a", "sold", A))
def publish_a_verb(wares):
    for code in ("b", "a"):
        wares.get(code=code).events.publish("sold")


@tells(Told("a", "sold", {"to": "Ada"}))
def publish_a_verb_with_data(wares):
    wares.model.events.publish(wares.get(code="a"), "sold", data={"to": "Ada"})


@tells(
    Told("new1", "create", row("d")),
    Told("new1", "update", row("D")),
    Told("new1", "update", row("D", 4), ["amount"]),
    changes=[None, (["name"], {"name": "d"}), (["amount"], {"amount": 0})],
    merged=[Told("new1", "create", row("D", 4))],
    both=[Told("new1", "create", row("D", 4))],
)
def create_and_save_again(wares):
    d = wares.create(code="d", name="d")
    d.name = "D"
    d.save()
    d.amount = 4
    d.save(update_fields=["amount"])


@tells(
    Told("a", "update", BIG_A),
    Told("b", "update", B | {"name": "B"}, ["name"]),
    Told("a", "update", BIG_A | {"amount": 9}),
    Told("b", "update", B | {"name": "B", "amount": 9}, ["amount"]),
    changes=[
        (["name"], {"name": "a"}),
        (["name"], {"name": "b"}),
        (["amount"], {"amount": 1}),
        (["amount"], {"amount": 2}),
    ],
    merged=[
        Told("a", "update", BIG_A | {"amount": 9}),
        Told("b", "update", B | {"name": "B", "amount": 9}, ["name", "amount"]),
    ],
    both=[
        Told("a", "update", BIG_A | {"amount": 9}, ["name", "amount"], {"name": "a", "amount": 1}),
        Told("b", "update", B | {"name": "B", "amount": 9}, ["name", "amount"], {"name": "b", "amount": 2}),
    ],
)
def save_two_in_turns(wares):
    a, b = wares.get(code="a"), wares.get(code="b")
    a.name, b.name = "A", "B"
    a.save()
    b.save(update_fields=["name"])
    a.amount = b.amount = 9
    a.save()
    b.save(update_fields=["amount"])


@tells(
    Told("c", "update", C | {"amount": 9}),
    Told("c", "sold", {"to": "Ada"}),
    Told("c", "delete", C | {"amount": 9}),
    changes=[(["amount"], {"amount": 3}), None, None],
    merged=[Told("c", "delete", C | {"amount": 9}), Told("c", "sold", {"to": "Ada"})],
    both=[Told("c", "delete", C | {"amount": 9}), Told("c", "sold", {"to": "Ada"})],
)
def save_sell_and_delete(wares):
    c = wares.get(code="c")
    c.amount = 9
    c.save()
    c.events.publish("sold", data={"to": "Ada"})
    c.delete()


@tells(Told("new1", "create", row("d")), Told("new1", "delete", row("d")), merged=[], both=[])
def create_and_delete(wares):
    wares.create(code="d", name="d").delete()


@tells(
    Told("a", "delete", A),
    Told("a", "create", row("A")),
    Told("a", "update", row("A", 9)),
    changes=[None, None, (["amount"], {"amount": 0})],
    merged=[Told("a", "delete", A), Told("a", "create", row("A", 9))],
    both=[Told("a", "delete", A), Told("a", "create", row("A", 9))],
)
def delete_and_come_again(wares):
    a = wares.get(code="a")
    key = a.pk
    a.delete()
    a = wares.create(pk=key, code="a", name="A")
    a.amount = 9
    a.save()


class Rollback(Exception):
    pass


def _save_and_roll_back(one, **values):
    try:
        with transaction.atomic(one._state.db):
            for name, value in values.items():
                setattr(one, name, value)
            one.save()
            raise Rollback
    except Rollback:
        pass


@tells(
    Told("a", "update", BIG_A),
    Told("a", "update", row("AA", 9, "old")),
    changes=[(["name"], {"name": "a"}), (["name", "amount"], {"name": "A", "amount": 1})],
    merged=[Told("a", "update", row("AA", 9, "old"))],
    both=[Told("a", "update", row("AA", 9, "old"), ["name", "amount"], {"name": "a", "amount": 1})],
)
def save_around_a_rolled_back_savepoint(wares):
    a = wares.get(code="a")
    a.name = "A"
    a.save()
    _save_and_roll_back(a, amount=9)
    a.name = "AA"
    a.save()


@tells(
    Told("a", "update", row("AA", 9, "old")),
    Told("a", "update", row("A", 9, "old"), ["name"]),
    changes=[(["name", "amount"], {"name": "a", "amount": 1}), (["name"], {"name": "AA"})],
    merged=[Told("a", "update", row("A", 9, "old"))],
    both=[Told("a", "update", row("A", 9, "old"), ["name", "amount"], {"name": "a", "amount": 1})],
)
def save_after_a_rolled_back_savepoint(wares):
    a = wares.get(code="a")
    _save_and_roll_back(a, amount=9)
    a.name = "AA"
    a.save()
    _save_and_roll_back(wares.get(code="a"), name="lost")
    a.name = "A"
    a.save(update_fields=["name"])
