"""The same kinds of models once for each option of a publisher: every way to write is tried with all of them."""

import uuid
from itertools import count
from typing import NamedTuple

from django.db import models

from stream_events import EventQuerySet, StreamPublisher

FIELDS = ["name", "amount", "box"]
ACTIONS = ["create", "update", "delete", "m2m_add", "m2m_remove", "m2m_clear"]


_numbers = count(1)


def next_uuid():
    """Keys in an order that is known."""
    return uuid.UUID(int=next(_numbers))


class Box(models.Model):
    """Takes what is in it along when it is deleted."""

    name = models.CharField(max_length=20, primary_key=True)

    class Meta:
        default_permissions = ()


class Tag(models.Model):
    name = models.CharField(max_length=20, primary_key=True)

    class Meta:
        default_permissions = ()


class Ware(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=20)
    amount = models.IntegerField(default=0)
    box = models.ForeignKey(Box, models.CASCADE, null=True)
    note = models.CharField(max_length=20, blank=True)  # not declared

    objects = EventQuerySet.as_manager()

    class Meta:
        abstract = True


class Family(NamedTuple):
    """The models that publish with one option, all to one stream."""

    stream: str
    plain: type[Ware]
    uuid: type[Ware]
    composite: type[Ware]
    proxy: type[Ware]
    child: type[Ware]


def _make(name, *bases, **attributes):
    meta = type("Meta", (), {"default_permissions": (), **attributes.pop("meta", {})})
    return type(name, bases, {"__module__": __name__, "Meta": meta, **attributes})


def _family(option, **options):
    stream = f"wares-{option.lower()}"
    if "serializer" not in options:
        options["fields"] = FIELDS
    publisher = StreamPublisher(stream, actions=ACTIONS, **options)
    base = _make(f"{option}Base", Ware, events=publisher, meta={"abstract": True})
    plain = _make(f"{option}Ware", base, tags=models.ManyToManyField(Tag))
    return Family(
        stream,
        plain,
        _make(f"{option}Uuid", base, id=models.UUIDField(primary_key=True, default=next_uuid)),
        _make(
            f"{option}Composite",
            base,
            shelf=models.IntegerField(default=1),
            pk=models.CompositePrimaryKey("shelf", "code"),
        ),
        _make(f"{option}Proxy", plain, meta={"proxy": True}),
        _make(f"{option}Child", plain, grade=models.IntegerField(default=0)),
    )


FAMILIES = {
    "plain": _family("Plain"),
    "outbox": _family("Outbox", via="outbox"),
    "changes": _family("Changes", changes=True),
    "when": _family("When", when=lambda ware, action: ware.code != "b"),
    "serializer": _family("Serializer", serializer=lambda ware: {"label": ware.name}),
    "version": _family("Version", version=2),
    "coalesce": _family("Coalesce", coalesce=True),
    "both": _family("Both", via="outbox", coalesce=True, changes=True),
}
