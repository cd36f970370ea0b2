"""Writes of many rows at once, for the table of write paths."""

from asgiref.sync import async_to_sync
from django.db import NotSupportedError
from django.db.models import F

from tests.publishing.paths import KINDS, A, B, C, Told, row, tells
from tests.shop.wares import Box

MANY = 501  # more than are read at once
D, E = row("d", 4), row("e", 5)


def _new(wares):
    return [wares.model(code="d", name="d", amount=4), wares.model(code="e", name="e", amount=5)]


def _renamed(wares, *codes):
    found = [wares.get(code=code) for code in codes]
    for one in found:
        one.name = one.code.upper()
    return found


@tells(Told("new1", "create", D), Told("new2", "create", E), kinds=("plain", "uuid", "composite", "proxy"))
def bulk_create(wares):
    wares.bulk_create(_new(wares), batch_size=1)


@tells(Told("new1", "create", D), Told("new2", "create", E))
def abulk_create(wares):
    async_to_sync(wares.abulk_create)(_new(wares))


@tells()
def bulk_create_nothing(wares):
    wares.bulk_create([])


@tells(*(Told(f"new{number}", "create", row(f"n{number}")) for number in range(1, MANY + 1)), is_long=True)
def bulk_create_many(wares):
    wares.bulk_create(wares.model(code=f"n{number}", name=f"n{number}") for number in range(1, MANY + 1))


@tells(Told("new1", "create", D), Told("new2", "create", E))
def bulk_create_and_ignore_conflicts(wares):
    d, e = _new(wares)
    known = wares.model(code="a", name="lost")
    wares.bulk_create([d, known, e], ignore_conflicts=True, unique_fields=["code"])


@tells(
    Told("new1", "create", D),
    Told("b", "update", B | {"name": "b"}, ["name"]),
    Told("a", "update", A | {"name": "A"}, ["name"]),
    changes=[None, ([], {}), (["name"], {"name": "a"})],
    refused={"mysql": NotSupportedError},
)
def bulk_create_and_update_conflicts(wares):
    known = [wares.model(code="b", name="b", amount=9), wares.model(code="a", name="A", amount=9)]
    options = {"update_conflicts": True, "update_fields": ["name"], "unique_fields": ["code"]}
    wares.bulk_create([known[0], _new(wares)[0], known[1]], **options)


@tells(
    Told("b", "update", B | {"name": "B"}, ["name"]),
    Told("a", "update", A | {"name": "A"}, ["name"]),
    changes=[(["name"], {"name": "b"}), (["name"], {"name": "a"})],
    kinds=KINDS,
)
def bulk_update(wares):
    wares.bulk_update(_renamed(wares, "b", "a"), ["name"], batch_size=1)


@tells(Told("a", "update", A | {"name": "A"}, ["name"]), changes=[(["name"], {"name": "a"})])
def abulk_update(wares):
    async_to_sync(wares.abulk_update)(_renamed(wares, "a"), ["name"])


@tells(
    Told("a", "update", A | {"name": "A"}, ["name"]),
    Told("a", "update", A | {"name": "AA"}),
    changes=[(["name"], {"name": "a"}), (["name"], {"name": "A"})],
    merged=[Told("a", "update", A | {"name": "AA"})],
    both=[Told("a", "update", A | {"name": "AA"}, ["name"], {"name": "a"})],
)
def bulk_update_and_save(wares):
    [a] = _renamed(wares, "a")
    wares.bulk_update([a], ["name"])
    a.name = "AA"
    a.save()


@tells()
def bulk_update_one_that_is_gone(wares):
    wares.bulk_update([wares.model(pk=10**6, code="x", name="x")], ["name"])


@tells(
    Told("a", "update", A | {"amount": 11}, ["amount"]),
    Told("b", "update", B | {"amount": 12}, ["amount"]),
    Told("c", "update", C | {"amount": 13}, ["amount"]),
    changes=[(["amount"], {"amount": 1}), (["amount"], {"amount": 2}), (["amount"], {"amount": 3})],
)
def update(wares):
    assert wares.filter(code__in="abc").update(amount=F("amount") + 10) == 3


@tells(
    Told("a", "update", A | {"name": "x"}, ["name"]),
    Told("b", "update", B | {"name": "x"}, ["name"]),
    changes=[(["name"], {"name": "a"}), (["name"], {"name": "b"})],
    kinds=KINDS,
)
def update_the_column_that_is_filtered_on(wares):
    assert wares.filter(name__in=["a", "b"]).update(name="x") == 2


@tells(Told("a", "update", A | {"name": "A"}, ["name"]), changes=[(["name"], {"name": "a"})])
def aupdate(wares):
    async_to_sync(wares.filter(code="a").aupdate)(name="A")


@tells(
    Told("a", "update", A | {"box": None}, ["box"]),
    Told("b", "update", B | {"box": None}, ["box"]),
    changes=[(["box"], {"box": "old"}), (["box"], {"box": "old"})],
)
def update_with_a_condition_on_a_relation(wares):
    assert wares.filter(box__name="old").update(box_id=None) == 2


@tells(undeclared=[Told("a", "update", A, ["note"])])
def update_an_undeclared_column(wares):
    wares.filter(code="a").update(note="n")


@tells()
def update_nothing(wares):
    assert wares.filter(code="x").update(name="x") == 0


@tells(
    *(Told(f"new{number}", "create", row("n")) for number in range(1, MANY + 1)),
    *(Told(f"new{number}", "update", row("n", 1), ["amount"]) for number in range(1, MANY + 1)),
    changes=[None] * MANY + [(["amount"], {"amount": 0})] * MANY,
    merged=[Told(f"new{number}", "create", row("n", 1)) for number in range(1, MANY + 1)],
    both=[Told(f"new{number}", "create", row("n", 1)) for number in range(1, MANY + 1)],
    is_long=True,
)
def create_and_update_many(wares):
    wares.bulk_create(wares.model(code=f"n{number}", name="n") for number in range(1, MANY + 1))
    wares.filter(name="n").update(amount=F("amount") + 1)


# Django deletes the last one first.
@tells(Told("b", "delete", B), Told("a", "delete", A), kinds=KINDS)
def delete_by_a_queryset(wares):
    wares.filter(code__in=["a", "b"]).delete()


@tells(Told("b", "delete", B), Told("a", "delete", A))
def delete_by_a_cascade(wares):
    Box.objects.using(wares.db).get(name="old").delete()
