"""``StreamPublisher``: the declaration on a model, and the stream it publishes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self, overload
from weakref import WeakSet

from django.apps import apps
from django.db import router
from django.db.models import Model

from stream_events.exceptions import ConfigurationError
from stream_events.keys import check_names
from stream_events.publishing.appender import Appender
from stream_events.publishing.attachment import ROW_ACTIONS, Attachment
from stream_events.publishing.coverage import attach_connected, attach_declared
from stream_events.publishing.declaration import Declaration, Serializer, Via, When

publishers: WeakSet[StreamPublisher] = WeakSet()


class StreamPublisher(Declaration, Appender):
    """Publishes what happens to the instances of a model to ``stream``, once the database has committed it.

    As an attribute of a model (abstract bases and mixins count) it covers that model, its proxies and children;
    ``connect`` does the same for a model that is not yours.

    * ``fields`` become the event's ``data``; without them an event carries only the object's type and key.
      ``serializer(instance)`` makes the data instead.
    * ``actions`` limits which writes are published; the many-to-many ones have to be named.
    * ``via="outbox"`` writes the event to a table in the transaction of the write, from which a relay sends it.
    * ``when(instance, action)`` says whether an event is published, be it a write or a verb of your own.
    * ``changes=True`` adds what has changed, and the previous values of ``fields``. Instances then keep a copy of what
      they were loaded with or saved; one that this process has not loaded from that database, with the fields that are
      saved, or whose transaction was rolled back since, costs a query at its next save.
    * ``version`` is put into each payload.
    * ``coalesce=True`` makes one event of several saves of an object in one transaction.

    What ``when`` or ``serializer`` raises, the save, deletion or bulk write raises, and it is taken back with its
    transaction, also when somebody catches the error inside. So that this holds in autocommit as well, each save of a
    model with one of them is a transaction.

    Raises ``ConfigurationError`` for what cannot be.
    """

    def __init__(
        self,
        stream: str,
        *,
        fields: Iterable[str] = (),
        actions: Iterable[str] = ROW_ACTIONS,
        via: Via = "commit",
        when: When | None = None,
        changes: bool = False,
        serializer: Serializer | None = None,
        version: int | str | None = None,
        coalesce: bool = False,
    ) -> None:
        self.stream = stream
        self.fields = check_names("fields", fields)
        self.actions = frozenset(check_names("actions", actions))
        self.via = via
        self.when = when
        self.changes = changes
        self.serializer = serializer
        self.version = version
        self.coalesce = coalesce
        self.check()
        self.names: dict[type, str] = {}  # the classes it is an attribute of
        self.attachments: dict[type[Model], Attachment] = {}
        publishers.add(self)

    def __repr__(self) -> str:
        return f"<StreamPublisher {self.stream!r}>"

    def __set_name__(self, owner: type, name: str) -> None:
        self.names[owner] = name
        attach_declared(self, name)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Model, owner: type) -> InstancePublisher: ...
    def __get__(self, instance: object, owner: type) -> Self | InstancePublisher:
        return InstancePublisher(self, instance) if isinstance(instance, Model) else self

    def connect(self, model: type[Model] | str) -> Self:
        """Publish for ``model`` (a class, or ``"app_label.ModelName"``); returns the publisher.

        Call it in ``AppConfig.ready``. Raises ``ConfigurationError`` when there is no such model.
        """
        if isinstance(model, str):
            model = _model(model)
        attach_connected(self, model)
        return self

    def publish(
        self, instance: Model, action: str, *, data: Mapping[str, Any] | None = None, using: str | None = None
    ) -> None:
        """Publish ``action`` of ``instance`` when the transaction on its database commits.

        ``data`` replaces the values of the declared fields. Raises ``EventEncodeError`` for what JSON cannot
        carry, ``ValueError`` for an instance that has not been saved and, outside a transaction with
        ``ON_FAILURE`` on ``"raise"``, what the Redis client raised.
        """
        if self.is_silent():
            return
        if not action or not isinstance(action, str):
            raise ValueError(f"An action is a non-empty string, got {action!r}.")
        if not instance._is_pk_set():  # type: ignore[attr-defined]
            raise ValueError(f"{instance!r} has no primary key; save it before publishing an event about it.")
        attachment = self._attachment(type(instance))
        using = using or router.db_for_write(attachment.model, instance=instance)
        attachment.publish([instance], action, using, data=data)

    def _attachment(self, model: type[Model]) -> Attachment:
        covering = (attachment for declared, attachment in self.attachments.items() if issubclass(model, declared))
        return next(covering, None) or Attachment(self, model._meta.concrete_model or model)


class InstancePublisher:
    """The publisher of one instance, as in ``order.events.publish("refund_requested")``."""

    def __init__(self, publisher: StreamPublisher, instance: Model) -> None:
        self._publisher = publisher
        self._instance = instance

    def publish(self, action: str, *, data: Mapping[str, Any] | None = None, using: str | None = None) -> None:
        """``StreamPublisher.publish`` for this instance."""
        self._publisher.publish(self._instance, action, data=data, using=using)


def _model(label: str) -> type[Model]:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise ConfigurationError(f"connect({label!r}): {error} Write “app_label.ModelName”.") from error
