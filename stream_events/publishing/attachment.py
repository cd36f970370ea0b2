"""What a publisher tells of one model: it hears the signals, and makes and hands over the entries."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Model

from stream_events.cause import current_cause
from stream_events.conf import get_settings
from stream_events.connections import explain
from stream_events.exceptions import EventEncodeError
from stream_events.publishing.changes import (
    Change,
    Values,
    find_change,
    forget,
    has_row,
    remember_saved,
    values_before,
)
from stream_events.publishing.commit import send_after_commit
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import NewEntry, make_entry
from stream_events.publishing.model_events import object_payload, touched
from stream_events.publishing.outbox import write_outbox
from stream_events.publishing.plain_payload import PlainPayload
from stream_events.publishing.relations import M2M_ACTIONS
from stream_events.publishing.rewriting import write_coalesced
from stream_events.publishing.stash import stash_of

if TYPE_CHECKING:
    from stream_events.publishing.publisher import StreamPublisher

logger = logging.getLogger("stream_events")

ROW_ACTIONS = ("create", "update", "delete")
ACTIONS = (*ROW_ACTIONS, *M2M_ACTIONS)


class Attachment:
    """One publisher on the concrete model that its events are about."""

    def __init__(self, publisher: StreamPublisher, model: type[Model]) -> None:
        self.publisher = publisher
        self.model = model
        self.obj_type = model._meta.label_lower
        self._plain: dict[str, PlainPayload] = {}

    @cached_property
    def watched(self) -> Collection[str]:
        """The fields whose changes are told."""
        names = self.publisher.fields
        # What the database computes follows from what is written.
        return [
            field.name
            for field in self.model._meta.concrete_fields
            if not field.generated and (not names or field.name in names)
        ]

    def saving(
        self,
        *,
        instance: Model,
        using: str,
        raw: bool = False,
        update_fields: Collection[str] | None = None,
        **_: Any,
    ) -> None:
        if raw:
            forget([instance])
            return
        if self.publisher.is_silent():
            return
        names = self.watched
        if update_fields is not None:
            names = touched(self.model, update_fields, names)
        stash_of(instance)[self] = values_before(self.model, instance, names, using)

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
        publisher = self.publisher
        action = "create" if created else "update"
        if raw:
            return
        change = None
        if publisher.changes or update_fields is not None:
            try:
                change, is_relevant = self._change(instance, created, using, update_fields)
            except Exception as error:  # noqa: BLE001 - raised again, unless it is logged
                self._fail(error, using)
                return
            if not is_relevant:
                return
        if action not in publisher.actions or publisher.is_silent():
            return
        if change is None and (entry := self._plain_entry(instance, action)):
            self._hand_over([entry], using)
        else:
            self.record([instance], action, using, changes=[change])

    def saving_child(self, *, instance: Model, using: str, raw: bool = False, **_: Any) -> None:
        if not raw and instance._state.adding:
            stash_of(instance)[self, "exists"] = has_row(self.model, instance, using)

    def saved_child(self, *, instance: Model, created: bool, **details: Any) -> None:
        """As ``saved``: to a row that was there before its child, it is an update."""
        existed = stash_of(instance).pop((self, "exists"), False)
        self.saved(instance=instance, created=created and not existed, **details)

    def deleting(self, *, instance: Model, using: str, **_: Any) -> None:
        # Before the row goes, because values that the instance does not hold are still to be read from it.
        # Django deletes in a transaction whenever somebody listens, so a failure takes the event back.
        if not self.publisher.is_silent():
            stash_of(instance)[self] = self.make_entries([instance], "delete", using)

    def deleted(self, *, instance: Model, using: str, **_: Any) -> None:
        # After it went: by then the transaction holds the row, which orders the outbox as others are committed.
        if entries := stash_of(instance).pop(self, None):
            self._hand_over(entries, using)

    def record(
        self,
        instances: Iterable[Model],
        action: str,
        using: str,
        *,
        changes: Sequence[Change | None] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish ``action`` of ``instances`` with what else is known of it.

        A failure raises, and the transaction can only be rolled back. Where autocommit has committed the row already,
        an event that cannot be encoded is logged instead.
        """
        try:
            entries = self.make_entries(instances, action, using, changes=changes, data=data)
        except Exception as error:  # noqa: BLE001 - raised again, unless it is logged
            self._fail(error, using)
            return
        self._hand_over(entries, using)

    def publish(self, instances: Iterable[Model], action: str, using: str, *, data: Mapping[str, Any] | None) -> None:
        """As ``record``, for what is no write: an event that cannot be encoded always raises."""
        self._hand_over(self.make_entries(instances, action, using, data=data), using)

    def make_entries(
        self,
        instances: Iterable[Model],
        action: str,
        using: str,
        *,
        changes: Sequence[Change | None] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> list[NewEntry]:
        """The entries that tell ``action`` of those ``instances`` that ``when`` lets through.

        Raises ``EventEncodeError``.
        """
        publisher = self.publisher
        entries = []
        for at, instance in enumerate(instances):
            if publisher.when is not None and not publisher.when(instance, action):
                continue
            names = () if data is not None or publisher.serializer else publisher.fields
            payload = object_payload(self.model, instance, action, names=names, using=using)
            if data is not None:
                payload["data"] = dict(data)
            elif publisher.serializer:
                payload["data"] = publisher.serialize(instance)
            if changes and (change := changes[at]):
                payload["changed"] = change.changed
                if change.previous is not None:
                    payload["previous"] = change.previous
            if publisher.version is not None:
                payload["version"] = publisher.version
            entry = make_entry(publisher.stream, payload)
            if publisher.coalesce and action in ROW_ACTIONS:
                entry.merging = payload
            entries.append(entry)
        return entries

    def _plain_entry(self, instance: Model, action: str) -> NewEntry | None:
        """What ``make_entries`` makes, the short way; None where that does not lead there."""
        publisher = self.publisher
        if publisher.is_special or current_cause() is not None:
            return None
        plain = self._plain.get(action)
        if plain is None:
            plain = self._plain[action] = PlainPayload(self.model, action, publisher.fields)
        written = plain.write(instance)
        if written is None or len(written[1]) > get_settings().max_payload:
            return None
        return NewEntry(publisher.stream, written[1], (self.obj_type, written[0]), action)

    def _hand_over(self, entries: Sequence[NewEntry], using: str) -> None:
        if not entries:
            return
        if self.publisher.via == "outbox":
            (write_coalesced if self.publisher.coalesce else write_outbox)(entries, using)
        else:
            send_after_commit(entries, using)

    def _fail(self, error: Exception, using: str) -> None:
        """Raise ``error``, or log it, as ``record`` says."""
        is_reversible = transaction.get_connection(using).in_atomic_block
        if is_reversible:
            transaction.set_rollback(True, using)
        if is_reversible or not isinstance(error, EventEncodeError):
            raise error
        outcomes.add("rejected")
        about = self.publisher.stream, self.model._meta.label, explain(error)
        logger.error("event_not_published stream=%s object=%s error=%r", *about)

    def _change(
        self, instance: Model, created: bool, using: str, update_fields: Collection[str] | None
    ) -> tuple[Change | None, bool]:
        """What a save has changed, as far as it is told, and whether it is of any interest."""
        names: Collection[str] = self.watched
        change = None
        if update_fields is not None:
            names = touched(self.model, update_fields, self.publisher.fields)
            change = Change(names)
        if self.publisher.changes:
            before: Values | None = stash_of(instance).pop(self, None)
            remember_saved(instance, using, update_fields)
            if before is not None and not created:
                change = find_change(self.model, before, instance, names, self.publisher.fields)
        is_own = type(instance)._meta.concrete_model is self.model
        return (None if created else change), bool(names or (is_own and not self.publisher.fields))
