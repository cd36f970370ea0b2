"""``StreamPublisher``: the declaration on a model, and the stream it publishes to."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, overload
from weakref import WeakSet

from django.db import router
from django.db.models import Model

from stream_events.conf import get_settings
from stream_events.connections import explain, publishing_client
from stream_events.events import PAYLOAD, decode_payload
from stream_events.exceptions import ConfigurationError, EventDecodeError, EventEncodeError
from stream_events.keys import check_names, check_stream, stream_key
from stream_events.publishing.attachment import ACTIONS, Attachment, attach_connected, attach_declared
from stream_events.publishing.commit import send_after_commit
from stream_events.publishing.entries import FAILURES, NewEntry, append, make_entry
from stream_events.publishing.model_events import object_payload

logger = logging.getLogger("stream_events")

publishers: WeakSet[StreamPublisher] = WeakSet()


class StreamPublisher:
    """Publishes what happens to the instances of a model to ``stream``, once the database has committed it.

    As an attribute of a model (abstract bases and mixins count) it covers that model, its proxies and children;
    ``connect`` does the same for a model that is not yours. ``fields`` become the event's ``data``; without
    them an event carries only the object's type and key. ``actions`` limits which writes are published.

    Raises ``ConfigurationError`` for a stream or an action that cannot be.
    """

    def __init__(self, stream: str, *, fields: Iterable[str] = (), actions: Iterable[str] = ACTIONS) -> None:
        check_stream(stream)
        self.stream = stream
        self.fields = check_names("fields", fields)
        self.actions = frozenset(check_names("actions", actions))
        if not self.actions <= set(ACTIONS):
            unknown = ", ".join(sorted(self.actions - set(ACTIONS)))
            raise ConfigurationError(
                f"StreamPublisher({stream!r}): actions has {unknown}; saves and deletes are {', '.join(ACTIONS)}."
                " Other verbs are published with publish()."
            )
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
        if not get_settings().enabled:
            return
        if not action or not isinstance(action, str):
            raise ValueError(f"An action is a non-empty string, got {action!r}.")
        if instance.pk is None:
            raise ValueError(f"{instance!r} has no primary key; save it before publishing an event about it.")
        model = self._declared_on(type(instance))
        using = using or router.db_for_write(model, instance=instance)
        names = () if data is not None else self.fields
        payload = object_payload(model, instance, action, names=names, using=using)
        if data is not None:
            payload["data"] = dict(data)
        send_after_commit([make_entry(self.stream, payload)], using)

    def add(
        self, payload: Mapping[str, Any], raise_error: bool = True, id_key: str = "obj_id"
    ) -> tuple[str | None, Any]:
        """Append ``payload`` now, outside any transaction; returns (entry id, the value under ``id_key``).

        With ``raise_error=False`` a failure is logged and gives the entry id None. Otherwise raises
        ``EventEncodeError``, or what the Redis client raised. With ``ENABLED`` off nothing is sent, and the entry
        id is None.
        """
        obj_id = payload.get(id_key)
        if not get_settings().enabled:
            return None, obj_id
        try:
            reply = append([make_entry(self.stream, payload)])[0]
            if not isinstance(reply, str):
                raise reply
        except FAILURES as error:
            if raise_error:
                raise
            self._log_failure(obj_id, error)
            return None, obj_id
        return reply, obj_id

    def batch_add(self, payloads: Iterable[Mapping[str, Any]], id_key: str = "obj_id") -> tuple[list[str], list[Any]]:
        """Append ``payloads`` now, in one pipeline; returns (entry ids, values under ``id_key`` that failed).

        A payload that cannot be encoded or that Redis refuses fails alone, and when Redis cannot be reached all of
        them fail. Every failure is logged. With ``ENABLED`` off nothing is sent and both lists are empty. Raises
        only ``ConfigurationError``.
        """
        if not get_settings().enabled:
            return [], []
        ready: list[tuple[Any, NewEntry]] = []
        failed: list[Any] = []
        for payload in payloads:
            obj_id = payload.get(id_key) if isinstance(payload, Mapping) else None
            try:
                ready.append((obj_id, make_entry(self.stream, payload)))
            except EventEncodeError as error:
                self._log_failure(obj_id, error)
                failed.append(obj_id)
        replies: Sequence[str | Exception]
        try:
            replies = append([entry for _, entry in ready]) if ready else []
        except FAILURES as error:
            replies = [error] * len(ready)
        added = []
        for (obj_id, _), reply in zip(ready, replies, strict=True):
            if isinstance(reply, str):
                added.append(reply)
            else:
                self._log_failure(obj_id, reply)
                failed.append(obj_id)
        return added, failed

    def delete(self, entry_id: str) -> dict[str, int]:
        """Delete one entry from the stream; the value is 1, or 0 when there was none."""
        return {entry_id: int(publishing_client().xdel(self._key, entry_id))}

    def get_list(self, msg_count: int = 10) -> dict[str, dict[str, Any]]:
        """The oldest ``msg_count`` entries: id and payload, which is empty where it cannot be decoded."""
        found = {}
        reply: Any = publishing_client().xrange(self._key, count=msg_count)
        for raw_id, fields in reply:
            entry_id = raw_id.decode()
            try:
                found[entry_id] = decode_payload(fields.get(PAYLOAD, b""), entry_id)
            except EventDecodeError:
                found[entry_id] = {}
        return found

    @property
    def _key(self) -> str:
        return stream_key(self.stream, get_settings().key_prefix)

    def _declared_on(self, model: type[Model]) -> type[Model]:
        covering = (declared for declared in self.attachments if issubclass(model, declared))
        return next(covering, model._meta.concrete_model or model)

    def _log_failure(self, obj_id: Any, error: Exception) -> None:
        logger.error("event_not_published stream=%s obj_id=%r error=%r", self.stream, obj_id, explain(error))


class InstancePublisher:
    """The publisher of one instance, as in ``order.events.publish("refund_requested")``."""

    def __init__(self, publisher: StreamPublisher, instance: Model) -> None:
        self._publisher = publisher
        self._instance = instance

    def publish(self, action: str, *, data: Mapping[str, Any] | None = None, using: str | None = None) -> None:
        """``StreamPublisher.publish`` for this instance."""
        self._publisher.publish(self._instance, action, data=data, using=using)


def _model(label: str) -> type[Model]:
    from django.apps import apps

    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise ConfigurationError(f"connect({label!r}): {error} Write “app_label.ModelName”.") from error
