"""Which models a publisher covers: those that have it, their proxies and their children."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import class_prepared

from stream_events.publishing.attachment import Attachment

if TYPE_CHECKING:
    from stream_events.publishing.publisher import StreamPublisher


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
        publisher.attachments[model].listen_to(sender)


def _family(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for child in model.__subclasses__():
        yield from _family(child)
