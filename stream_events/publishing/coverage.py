"""Which models a publisher covers: those that have it, their proxies and their children."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import class_prepared, post_delete, post_save, pre_delete, pre_save

from stream_events.publishing.atomic_saves import make_saves_atomic
from stream_events.publishing.attachment import Attachment
from stream_events.publishing.changes import watch_loading
from stream_events.publishing.relations import M2M_ACTIONS, Relation

if TYPE_CHECKING:
    from stream_events.publishing.publisher import StreamPublisher


_listening: dict[type[Model], list[Attachment]] = {}


def attachments_of(model: type[Model]) -> Sequence[Attachment]:
    """The attachments that saves of ``model`` are told to."""
    return _listening.get(model, ())


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
        if model not in publisher.attachments:
            publisher.attachments[model] = Attachment(publisher, model)
        _listen(publisher.attachments[model], sender)


def _listen(attachment: Attachment, sender: type[Model]) -> None:
    """Connect ``attachment`` to the signals of ``sender``: its model itself, a proxy of it, or a child of it."""
    publisher = attachment.publisher
    options: dict[str, Any] = {
        "sender": sender,
        "weak": False,
        "dispatch_uid": f"stream_events.{id(publisher)}.{attachment.model._meta.label}",
    }
    if attachment not in (listening := _listening.setdefault(sender, [])):
        listening.append(attachment)
    if sender is attachment.model and publisher.actions & set(M2M_ACTIONS):
        for field in attachment.model._meta.many_to_many:
            Relation(attachment, field).listen()
    if publisher.actions & {"create", "update"}:
        if sender._meta.concrete_model is attachment.model:
            post_save.connect(attachment.saved, **options)
        else:
            pre_save.connect(
                attachment.saving_child, **{**options, "dispatch_uid": f"{options['dispatch_uid']}.child"}
            )
            post_save.connect(attachment.saved_child, **options)
        if publisher.via == "outbox" or publisher.when or publisher.serializer:
            make_saves_atomic(sender)
    if publisher.changes and "update" in publisher.actions:
        watch_loading(sender)
        pre_save.connect(attachment.saving, **options)
    # Deleting a child deletes its parent as well, and Django then signals both. A listener that is not
    # needed would also cost the model its fast deletes.
    if "delete" in publisher.actions and sender._meta.concrete_model is attachment.model:
        pre_delete.connect(attachment.deleting, **options)
        post_delete.connect(attachment.deleted, **options)


def _family(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for child in model.__subclasses__():
        yield from _family(child)
