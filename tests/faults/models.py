"""What handlers write when their database effects are counted, and what is published from several processes."""

from django.db import models

from stream_events import EventQuerySet, StreamPublisher


class Effect(models.Model):
    obj_id = models.IntegerField()

    def __str__(self):
        return str(self.obj_id)


class Counter(models.Model):
    """Each of its changes says in its event how many there were before."""

    value = models.IntegerField(default=0)

    objects = EventQuerySet.as_manager()
    events = StreamPublisher("counters", fields=["value"], via="outbox")

    def __str__(self):
        return f"{self.pk}: {self.value}"


class Visit(models.Model):
    number = models.IntegerField()

    events = StreamPublisher("visits", fields=["number"])

    def __str__(self):
        return str(self.number)
