"""Writes of relations, and of proxies and children, for the table of write paths."""

from tests.publishing.paths import A, B, C, Told, tells
from tests.shop.wares import Box, Tag


def _in_box(wares, name="old"):
    return getattr(Box.objects.using(wares.db).get(name=name), f"{wares.model._meta.model_name}_set")


def _tagged(wares, name):
    return getattr(Tag.objects.using(wares.db).get(name=name), f"{wares.model._meta.model_name}_set")


def _tags(wares, code="a"):
    return wares.get(code=code).tags


def _tag(wares, *names):
    return [Tag.objects.using(wares.db).get(name=name) for name in names]


def links(*names):
    return {"field": "tags", "ids": list(names)}


GONE = [
    Told("a", "update", A | {"box": None}, ["box"]),
    Told("b", "update", B | {"box": None}, ["box"]),
]
FROM_OLD = (["box"], {"box": "old"})


@tells(*GONE, changes=[FROM_OLD, FROM_OLD])
def clear_a_foreign_key(wares):
    _in_box(wares).clear()


@tells(GONE[0], changes=[FROM_OLD])
def remove_from_a_foreign_key(wares):
    _in_box(wares).remove(wares.get(code="a"))


@tells(GONE[1], changes=[FROM_OLD])
def set_a_foreign_key(wares):
    _in_box(wares).set([wares.get(code="a")])


@tells(GONE[0], changes=[FROM_OLD])
def remove_from_a_foreign_key_one_by_one(wares):
    _in_box(wares).remove(wares.get(code="a"), bulk=False)


@tells(Told("c", "update", C | {"box": "old"}), changes=[(["box"], {"box": None})])
def add_to_a_foreign_key_one_by_one(wares):
    _in_box(wares).add(wares.get(code="c"), bulk=False)


@tells(Told("new1", "create", {"name": "d", "amount": 0, "box": "old"}))
def create_in_a_foreign_key(wares):
    _in_box(wares).create(code="d", name="d")


@tells(Told("a", "m2m_add", links("blue")))
def add_tags(wares):
    _tags(wares).add(*_tag(wares, "red", "blue"))


@tells()
def add_tags_that_are_there(wares):
    _tags(wares).add(*_tag(wares, "red", "green"))


@tells(Told("a", "m2m_remove", links("red")))
def remove_tags(wares):
    _tags(wares).remove(*_tag(wares, "red", "blue"))


@tells()
def remove_tags_that_are_not_there(wares):
    _tags(wares).remove(*_tag(wares, "blue"))


@tells(Told("a", "m2m_clear", links("green", "red")))
def clear_tags(wares):
    _tags(wares).clear()


@tells()
def clear_no_tags(wares):
    _tags(wares, "c").clear()


@tells(Told("a", "m2m_remove", links("green")), Told("a", "m2m_add", links("blue")))
def set_tags(wares):
    _tags(wares).set(_tag(wares, "red", "blue"))


@tells(Told("a", "m2m_clear", links("green", "red")), Told("a", "m2m_add", links("blue", "red")))
def set_tags_after_clearing(wares):
    _tags(wares).set(_tag(wares, "red", "blue"), clear=True)


@tells()
def set_the_same_tags(wares):
    _tags(wares).set(_tag(wares, "red", "green"))


@tells(Told("b", "m2m_add", links("green")), Told("c", "m2m_add", links("green")))
def add_wares_to_a_tag(wares):
    _tagged(wares, "green").add(*wares.order_by("-code"))


@tells(Told("b", "m2m_remove", links("red")))
def remove_wares_from_a_tag(wares):
    _tagged(wares, "red").remove(wares.get(code="b"), wares.get(code="c"))


@tells(Told("a", "m2m_clear", links("red")), Told("b", "m2m_clear", links("red")))
def clear_a_tag(wares):
    _tagged(wares, "red").clear()


@tells(Told("b", "m2m_remove", links("red")), Told("c", "m2m_add", links("red")))
def set_the_wares_of_a_tag(wares):
    _tagged(wares, "red").set([wares.get(code="a"), wares.get(code="c")])


@tells()
def clear_an_empty_tag(wares):
    _tagged(wares, "blue").clear()


@tells(kinds=("child",), undeclared=[])
def update_a_column_of_the_child(wares):
    wares.update(grade=5)


@tells(
    Told("a", "update", A | {"name": "A"}, ["name"]),
    changes=[(["name"], {"name": "a"})],
    kinds=("child",),
)
def update_columns_of_child_and_parent(wares):
    assert wares.filter(code="a").update(grade=5, name="A") == 1


@tells(Told("a", "delete", A), kinds=("child",))
def delete_the_parent(wares):
    parent = wares.model._meta.parents
    next(iter(parent)).objects.using(wares.db).get(code="a").delete()


@tells(Told("a", "m2m_add", links("blue")), kinds=("child", "proxy"))
def add_tags_to_a_child(wares):
    _tags(wares).add(*_tag(wares, "blue"))


@tells(Told("a", "m2m_remove", links("red")), kinds=("child", "proxy"))
def remove_tags_from_a_child(wares):
    _tags(wares).remove(*_tag(wares, "red"))
