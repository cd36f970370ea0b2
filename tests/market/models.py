"""Models for the options of publishers, and for what else a model can be."""

import uuid

from django.core.exceptions import ValidationError
from django.db import models

from stream_events import EventQuerySet, StreamPublisher


class Shop(models.Model):
    """Tells which fields changed, but no values."""

    name = models.CharField(max_length=20)
    town = models.CharField(max_length=20, blank=True)

    events = StreamPublisher("shops", changes=True)


class Item(models.Model):
    """Tells its changes: one field of each kind."""

    name = models.CharField(max_length=20)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    stock = models.IntegerField(default=1)
    labels = models.JSONField(default=dict)
    picture = models.FileField(blank=True)
    since = models.DateTimeField(null=True)
    code = models.UUIDField(null=True)
    shop = models.ForeignKey(Shop, models.CASCADE, null=True)
    secret = models.CharField(max_length=20, blank=True)

    events = StreamPublisher(
        "items", fields=["name", "price", "stock", "labels", "picture", "since", "code", "shop"], changes=True
    )


class SaleItem(Item):
    class Meta:
        proxy = True


class Token(models.Model):
    """Has its key before it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=20)

    events = StreamPublisher("tokens", fields=["name"], changes=True)


class Engine(models.Model):
    engine_id = models.BigAutoField(primary_key=True)
    power = models.IntegerField(default=1)


class Hull(models.Model):
    hull_id = models.BigAutoField(primary_key=True)
    colour = models.CharField(max_length=20)
    ports = models.ManyToManyField("Tag")

    events = StreamPublisher(
        "hulls",
        fields=["colour"],
        actions=["create", "update", "delete", "m2m_add", "m2m_remove", "m2m_clear"],
        changes=True,
    )


class Boat(Engine, Hull):
    """Its key is not that of the parent that publishes."""

    name = models.CharField(max_length=20)


class Shouting(models.Model):
    """Has its own ways to come into being."""

    name = models.CharField(max_length=20)

    events = StreamPublisher("shouting", fields=["name"], changes=True)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = [self.name]

    @classmethod
    def from_db(cls, db, field_names, values):
        instance = super().from_db(db, field_names, values)
        instance.seen.append("loaded")
        return instance

    def refresh_from_db(self, *args, **kwargs):
        super().refresh_from_db(*args, **kwargs)
        self.seen.append("refreshed")


class Doubled(models.Model):
    a = models.IntegerField()
    double = models.GeneratedField(expression=models.F("a") * 2, output_field=models.IntegerField(), db_persist=True)
    kind = models.CharField(max_length=20, db_default="plain")

    events = StreamPublisher("doubled", fields=["a", "double", "kind"], changes=True)


class CountField(models.IntegerField):
    """Refuses what a database may hold all the same."""

    def to_python(self, value):
        count = super().to_python(value)
        if count is not None and count < 0:
            raise ValidationError(f"{count} is no count")
        return count


class Meter(models.Model):
    count = CountField()

    objects = EventQuerySet.as_manager()
    events = StreamPublisher("meters", fields=["count"], changes=True)


class Cart(models.Model):
    """Several saves of it become one event."""

    name = models.CharField(max_length=20)
    quantity = models.IntegerField(default=0)

    events = StreamPublisher("carts", fields=["name", "quantity"], changes=True, coalesce=True)


class Basket(models.Model):
    """As a cart, and tells only what ``update_fields`` names."""

    name = models.CharField(max_length=20)
    quantity = models.IntegerField(default=0)

    events = StreamPublisher("carts", fields=["name", "quantity"], coalesce=True)


class Payment(models.Model):
    """What is told of it is decided and made by functions that tests replace."""

    amount = models.IntegerField(default=0)

    decide = staticmethod(lambda payment, action: True)
    describe = staticmethod(lambda payment: {"amount": payment.amount})

    decided = StreamPublisher("decided", when=lambda payment, action: Payment.decide(payment, action), version=2)
    described = StreamPublisher("described", serializer=lambda payment: Payment.describe(payment))


RELATION_ACTIONS = ["m2m_add", "m2m_remove", "m2m_clear"]


class Tag(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Labelled(models.Model):
    name = models.CharField(max_length=20)
    tags = models.ManyToManyField("Tag")

    events = StreamPublisher("labelled", actions=RELATION_ACTIONS)

    class Meta:
        abstract = True


class Article(Labelled):
    """Has relations of every kind; the model of one of them comes later."""

    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")
    mentions = models.ManyToManyField("Tag", through="Mention", related_name="mentioned_by")


class Essay(Article):
    pages = models.IntegerField(default=1)


class Mention(models.Model):
    article = models.ForeignKey(Article, models.CASCADE)
    tag = models.ForeignKey(Tag, models.CASCADE, to_field="name")
    weight = models.IntegerField(default=1)


class Draft(models.Model):
    """Tells its relations while it is not hidden, and nothing of being removed."""

    is_hidden = models.BooleanField(default=False)
    tags = models.ManyToManyField(Tag)

    events = StreamPublisher(
        "drafts", actions=["m2m_add", "m2m_clear"], when=lambda draft, action: not draft.is_hidden
    )


class TicketQuerySet(EventQuerySet):
    def open(self):
        return self.filter(status="open")

    def close(self):
        return self.update(status="closed")

    def update(self, **kwargs):
        return super().update(**{"note": "touched", **kwargs})


class Ticket(models.Model):
    number = models.CharField(max_length=20, unique=True)
    code = models.CharField(max_length=20, unique=True, null=True)  # noqa: DJ001 - NULL is like nothing
    status = models.CharField(max_length=20, default="open")
    price = models.IntegerField(default=0)
    note = models.CharField(max_length=20, blank=True)
    shop = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="tickets")

    objects = EventQuerySet.as_manager()
    managed = models.Manager.from_queryset(EventQuerySet)()
    own = TicketQuerySet.as_manager()
    events = StreamPublisher("tickets", fields=["number", "status", "price"])


class Season(models.Model):
    """Tells the changes of bulk writes, of all of its fields."""

    name = models.CharField(max_length=20)
    year = models.IntegerField(default=2026)

    objects = EventQuerySet.as_manager()
    events = StreamPublisher("seasons", fields=["name", "year"], changes=True)
    names = StreamPublisher("season-names")


class Permit(Ticket):
    """A child whose updates reach two tables."""

    area = models.CharField(max_length=20)

    objects = EventQuerySet.as_manager()
    permits = StreamPublisher("permits", fields=["area"])
