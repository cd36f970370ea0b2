"""Models without tables, which give the admin pages and permissions for what lives in Redis; inbox and outbox."""

from __future__ import annotations

from typing import Any, Never
from urllib.parse import unquote

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class NoTableManager(models.Manager["RedisModel"]):
    """Finds nothing and asks no database, so that ``dumpdata`` and its like pass over these models."""

    def get_queryset(self) -> models.QuerySet[RedisModel]:
        return super().get_queryset().none()


class RedisModel(models.Model):
    """Something in Redis, named by its primary key."""

    id = models.CharField(primary_key=True, max_length=512)

    objects = NoTableManager()

    class Meta:
        abstract = True
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return " · ".join(map(unquote, self.id.split("~")))  # as admin.names has put it together

    def save(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError(f"{type(self).__name__} lives in Redis and has no table to be saved to.")

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError(f"{type(self).__name__} lives in Redis and has no table to be deleted from.")


class Stream(RedisModel):
    class Meta(RedisModel.Meta):
        verbose_name = _("stream")
        verbose_name_plural = _("streams")
        permissions = (
            ("view_payload", _("Can see what events carry")),
            ("publish_stream", _("Can publish a test event")),
            ("replay_stream", _("Can append entries again, for every group")),
            ("trim_stream", _("Can trim streams")),
            ("delete_stream", _("Can delete streams")),
        )


class ConsumerGroup(RedisModel):
    class Meta(RedisModel.Meta):
        verbose_name = _("consumer group")
        verbose_name_plural = _("consumer groups")
        permissions = (
            ("reset_consumergroup", _("Can move the position of consumer groups")),
            ("delete_consumergroup", _("Can delete consumer groups")),
        )


class PendingEntry(RedisModel):
    class Meta(RedisModel.Meta):
        verbose_name = _("pending entry")
        verbose_name_plural = _("pending entries")
        permissions = (
            ("ack_pendingentry", _("Can acknowledge pending entries")),
            ("claim_pendingentry", _("Can give pending entries to another consumer")),
            ("retry_pendingentry", _("Can have pending entries handled now")),
            ("deadletter_pendingentry", _("Can make dead letters of pending entries")),
        )


class DeadLetter(RedisModel):
    class Meta(RedisModel.Meta):
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        permissions = (
            ("requeue_deadletter", _("Can have dead letters handled again")),
            ("delete_deadletter", _("Can delete dead letters")),
        )


class Consumer(RedisModel):
    class Meta(RedisModel.Meta):
        verbose_name = _("consumer")
        verbose_name_plural = _("consumers")
        permissions = (("delete_consumer", _("Can delete consumers")),)


class InboxEntry(models.Model):
    """One event that a handler with ``once=True`` has handled, written in that handler's transaction."""

    group = models.CharField(_("group"), max_length=200)
    handler = models.CharField(_("handler"), max_length=200)
    event_id = models.CharField(_("event"), max_length=200)
    handled_at = models.DateTimeField(_("handled at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("inbox entry")
        verbose_name_plural = _("inbox entries")
        default_permissions = ()  # no page shows it
        constraints = [
            models.UniqueConstraint(fields=("event_id", "handler", "group"), name="stream_events_inbox_once")
        ]

    def __str__(self) -> str:
        return f"{self.group} · {self.handler} · {self.event_id}"


class OutboxEvent(models.Model):
    """One event that is still to be appended to its stream; what was appended is deleted.

    The columns have the names that Debezium's outbox router reads. ``position`` orders the events of one object as
    their transactions committed, because each of these holds the object's row from its write to its end.
    """

    position = models.BigAutoField(_("position"), primary_key=True)
    event_id = models.UUIDField(_("event"), db_column="id")
    aggregatetype = models.CharField(_("stream"), max_length=255)
    aggregateid = models.CharField(_("object"), max_length=255)
    type = models.CharField(_("action"), max_length=255)
    payload = models.TextField(_("payload"))
    headers = models.TextField(_("headers"), default="", blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("outbox event")
        verbose_name_plural = _("outbox events")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.aggregatetype} · {self.event_id}"  # no more: not everybody may see what it carries
