"""Publishers and the models whose signals they listen to."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import class_prepared, post_save, pre_delete

from stream_events.conf import get_settings
from stream_events.exceptions import EventEncodeError
from stream_events.publishing.commit import send_after_commit
from stream_events.publishing.entries import make_entry
from stream_events.publishing.model_events import object_payload, touched

if TYPE_CHECKING:
    from stream_events.publishing.publisher import StreamPublisher

logger = logging.getLogger("stream_events")

ACTIONS = ("create", "update", "delete")


class Attachment:
    """One publisher on the concrete model that its events are about."""

    def __init__(self, publisher: StreamPublisher, model: type[Model]) -> None:
        self.publisher = publisher
        self.model = model

    def listen_to(self, sender: type[Model]) -> None:
        """Connect to the signals of ``sender``: the model itself, a proxy of it, or a child of it."""
        uid = f"stream_events.{id(self.publisher)}.{self.model._meta.label}"
        if self.publisher.actions & {"create", "update"}:
            post_save.connect(self.saved, sender=sender, weak=False, dispatch_uid=uid)
        # Deleting a child deletes its parent as well, and Django then signals both. A listener that is not
        # needed would also cost the model its fast deletes.
        if "delete" in self.publisher.actions and sender._meta.concrete_model is self.model:
            pre_delete.connect(self.deleted, sender=sender, weak=False, dispatch_uid=uid)

    def saved(
        self,
        *,
        instance: Model,
        created: bool,
        using: str,
        raw: bool = False,
        update_fields: Collection[str] | None = None,
        **_: Any,
    ) -> None:
        action = "create" if created else "update"
        if raw or action not in self.publisher.actions:
            return
        changed = None
        if update_fields is not None:
            changed = touched(self.model, update_fields, self.publisher.fields)
            if not changed and (self.publisher.fields or type(instance)._meta.concrete_model is not self.model):
                return
        self._record(instance, action, using, changed)

    def deleted(self, *, instance: Model, using: str, **_: Any) -> None:
        # Before the row goes, because values that the instance does not hold are still to be read from it.
        # Django deletes in a transaction whenever somebody listens, so a failure takes the event back.
        self._record(instance, "delete", using, None)

    def _record(self, instance: Model, action: str, using: str, changed: list[str] | None) -> None:
        if not get_settings().enabled:
            return
        publisher = self.publisher
        try:
            payload = object_payload(self.model, instance, action, names=publisher.fields, using=using)
            if changed is not None:
                payload["changed"] = changed
            entry = make_entry(publisher.stream, payload)
        except EventEncodeError:
            if transaction.get_connection(using).in_atomic_block:
                raise
            logger.exception("event_not_published stream=%s object=%s", publisher.stream, self.model._meta.label)
            return
        send_after_commit([entry], using)


def attach_declared(publisher: StreamPublisher, name: str) -> None:
    """Attach ``publisher``, the attribute ``name`` of some class, to each model that comes to have it."""

    def prepared(sender: type[Model], **_: Any) -> None:
        _attach(publisher, sender, lambda model: inspect.getattr_static(model, name, None) is publisher)

    class_prepared.connect(prepared, weak=False)


def attach_connected(publisher: StreamPublisher, owner: type[Model]) -> None:
    """Attach ``publisher`` to ``owner`` and to the models that inherit from it, now or later."""

    def prepared(sender: type[Model], **_: Any) -> None:
        _attach(publisher, sender, lambda model: issubclass(model, owner))

    class_prepared.connect(prepared, weak=False)
    for model in _family(owner):
        if not model._meta.abstract:
            prepared(model)


def _attach(publisher: StreamPublisher, sender: type[Model], covers: Callable[[type[Model]], bool]) -> None:
    if sender.__module__ == "__fake__":  # a model of a migration: what that does to its rows is no event
        return
    lineage = [model for model in sender.__mro__ if issubclass(model, Model) and hasattr(model, "_meta")]
    found = {model._meta.concrete_model for model in lineage if not model._meta.abstract and covers(model)}
    for model in found:
        # The event of a child in multi-table inheritance is its parent's, when the parent has the publisher.
        if model is None or any(issubclass(model, other) for other in found - {model} if other):
            continue
        publisher.attachments.setdefault(model, Attachment(publisher, model)).listen_to(sender)


def _family(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for child in model.__subclasses__():
        yield from _family(child)
