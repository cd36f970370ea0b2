"""Models of every shape that a publisher can be on."""

import uuid

from django.db import models

from stream_events import StreamPublisher
from tests.shop import wares  # noqa: F401 - more models of this app


class Customer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50)

    events = StreamPublisher("customers")


class Order(models.Model):
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=20, default="placed")
    total = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    quantity = models.IntegerField(default=1)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True)
    receipt = models.FileField(blank=True)
    due = models.DateTimeField(null=True)
    notes = models.JSONField(default=dict)
    secret = models.CharField(max_length=20, blank=True)

    events = StreamPublisher(
        "orders", fields=["number", "status", "total", "quantity", "customer", "receipt", "due", "notes"]
    )


class RushOrder(Order):
    class Meta:
        proxy = True


class Tracked(models.Model):
    name = models.CharField(max_length=20)

    events = StreamPublisher("tracked", fields=["name"])

    class Meta:
        abstract = True


class Parcel(Tracked):
    pass


class Letter(Tracked):
    events = StreamPublisher("letters")


class Silent(Tracked):
    events = None


class PlainMixin:
    changes = StreamPublisher("mixed")


class Mixed(PlainMixin, models.Model):
    name = models.CharField(max_length=20)


class Place(models.Model):
    name = models.CharField(max_length=20)

    events = StreamPublisher("places", fields=["name"])


class Restaurant(Place):
    stars = models.IntegerField(default=0)

    events = StreamPublisher("restaurants", fields=["stars"])


class Bar(Place):
    happy_hour = models.IntegerField(default=17)


class Shelf(models.Model):
    """Publishes creations only, and keeps its fast deletes."""

    name = models.CharField(max_length=20)

    events = StreamPublisher("shelves", actions=["create"])


class Page(models.Model):
    """Refers to its own kind in ways that a deletion answers with an UPDATE."""

    title = models.CharField(max_length=20)
    notes = models.CharField(max_length=20, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    origin = models.ForeignKey("self", models.SET_DEFAULT, null=True, default=None, related_name="copies")
    links = models.ManyToManyField("self", through="Link", symmetrical=False)

    events = StreamPublisher("pages", fields=["title", "parent", "origin"])


class Link(models.Model):
    """A relation that publishes, to two streams."""

    source = models.ForeignKey(Page, models.CASCADE, related_name="+")
    target = models.ForeignKey(Page, models.CASCADE, related_name="+")

    events = StreamPublisher("links")
    network = StreamPublisher("network", actions=["create"])


class Quiet(models.Model):
    """No publisher at all."""

    name = models.CharField(max_length=20)


class Coordinate(models.Model):
    pk = models.CompositePrimaryKey("x", "y")
    x = models.IntegerField()
    y = models.IntegerField()

    events = StreamPublisher("coordinates")


class Blob(models.Model):
    """Has a field that JSON cannot carry."""

    content = models.BinaryField()

    events = StreamPublisher("blobs", fields=["content"])


class Sum(models.Model):
    a = models.IntegerField()
    double = models.GeneratedField(expression=models.F("a") * 2, output_field=models.IntegerField(), db_persist=True)

    events = StreamPublisher("sums", fields=["a", "double"])


class NothingManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().none()


class Hidden(models.Model):
    name = models.CharField(max_length=20)

    objects = models.Manager()
    nothing = NothingManager()
    events = StreamPublisher("hidden", fields=["name"])

    class Meta:
        base_manager_name = "nothing"
