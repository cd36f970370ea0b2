"""The same order five times, told apart only by what listens to its saves."""

from django.db import models

from stream_events import StreamPublisher

FIELDS = ["number", "status"]


class Order(models.Model):
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=20)

    class Meta:
        abstract = True


class Unobserved(Order):
    """Nothing listens."""


class Observed(Order):
    """A receiver that does nothing listens."""


class Appended(Order):
    """A receiver sends an XADD of its own for each save."""


class Published(Order):
    """Its events leave after the commit, as publishers do when nothing else is said."""

    events = StreamPublisher("bench", fields=FIELDS)


class Stored(Order):
    """Its events are rows of the outbox, written in the same transaction."""

    events = StreamPublisher("bench", fields=FIELDS, via="outbox")
