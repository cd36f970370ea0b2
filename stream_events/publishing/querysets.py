"""``EventQuerySet``: bulk writes that publish what they do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

from django.db import connections, transaction
from django.db.models import Model, QuerySet

from stream_events.exceptions import KeysUnknownError
from stream_events.publishing.attachment import Attachment
from stream_events.publishing.changes import Change, Values, find_change, forget, held_values, remember_saved
from stream_events.publishing.coverage import attachments_of
from stream_events.publishing.model_events import touched
from stream_events.publishing.rows import Matching, chunks, lock_rows

ATTEMPTS = 5  # at an update into which other transactions bring new rows

M = TypeVar("M", bound=Model)


class EventQuerySet(QuerySet[M, M]):
    """A queryset whose ``bulk_create``, ``bulk_update`` and ``update`` publish one event for each row.

    Use it as the manager of a model with a publisher: ``objects = EventQuerySet.as_manager()``. The keys are selected
    before the write, and locked where the database can. Raises ``KeysUnknownError`` before writing when it could not
    be known which rows were written, unless nothing is to be published.
    """

    _is_captured = False  # by the method that calls another of them

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._is_captured = self._is_captured
        return clone

    def update(self, **kwargs: Any) -> int:
        query = self.query
        is_refused = query.is_sliced or query.combinator  # by Django
        listening = [] if self._is_captured or is_refused or not kwargs else _relevant(self.model, "update")
        if listening and _key_names(self.model).intersection(kwargs):
            raise KeysUnknownError(
                f"{self.model._meta.label}: update() of the primary key leaves no object that events could be about."
                " Create the new rows and delete the old ones, or wrap it in suppress()."
            )
        names = _field_names(self.model, kwargs)
        listening = [attachment for attachment in listening if _is_touched(attachment, self.model, names)]
        if not listening:
            return super().update(**kwargs)
        self._for_write = True
        for _ in range(ATTEMPTS):
            with transaction.atomic(using=self.db):
                before = lock_rows(self, self.db, listening)
                count = super().update(**kwargs)
                if count == len(before):
                    _record_updates(self.model, self.db, listening, before, names)
                    return count
                # A transaction that was committed after the selection has brought or taken a row.
                transaction.set_rollback(True, using=self.db)
        raise KeysUnknownError(
            f"{self.model._meta.label}: other transactions change the rows of this update() too often."
        )

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        objects, names = list(objs), list(fields)
        uncaught = self._chain()  # type: ignore[attr-defined]
        uncaught._is_captured = True  # it calls update()
        listening = [] if self._is_captured else _relevant(self.model, "update", names)
        self._for_write = True
        if not listening or not all(one._is_pk_set() for one in objects):  # type: ignore[attr-defined]
            forget(objects)
            return int(super(EventQuerySet, uncaught).bulk_update(objects, names, batch_size))
        with transaction.atomic(using=self.db, savepoint=False):
            before: dict[Any, Values] = {}
            for some in chunks(objects):
                chosen = self.filter(pk__in=[one.pk for one in some])
                found = lock_rows(chosen, self.db, listening)
                before.update({one.pk: found[one.pk] for one in some if one.pk in found})
            count = int(super(EventQuerySet, uncaught).bulk_update(objects, names, batch_size))
            forget(one for one in objects if one.pk not in before)
            self._remember([one for one in objects if one.pk in before], names)
            _record_updates(self.model, self.db, listening, before, names)
        return count

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        objects = list(objs)
        options = {
            "batch_size": batch_size,
            "ignore_conflicts": ignore_conflicts,
            "update_conflicts": update_conflicts,
            "update_fields": update_fields,
            "unique_fields": unique_fields,
        }
        creating = _relevant(self.model, "create")
        updating = _relevant(self.model, "update", update_fields or ()) if update_conflicts else []
        self._for_write = True
        if ignore_conflicts or update_conflicts:
            forget(objects)
        if self._is_captured or not objects or not (creating or updating):
            return super().bulk_create(objects, **options)  # type: ignore[arg-type]
        if not (ignore_conflicts or update_conflicts):
            return self._create(objects, creating, options)
        matching = Matching(self.model, self.db, unique_fields or ())
        with transaction.atomic(using=self.db, savepoint=False):
            existing = {row.pk: held_values(row) for row in matching.rows(objects, lock=True)}
            created = super().bulk_create(objects, **options)  # type: ignore[arg-type]
            for rows in chunks(matching.rows(objects)):
                _record(creating, [row for row in rows if row.pk not in existing], "create", self.db)
            if updating:
                names = _field_names(self.model, update_fields or ())
                _record_updates(self.model, self.db, updating, existing, names)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def _create(self, objects: Sequence[M], listening: Iterable[Attachment], options: Mapping[str, Any]) -> list[M]:
        """As ``bulk_create``, where every one of ``objects`` becomes a new row."""
        self._refuse_unknown_keys(objects)
        with transaction.atomic(using=self.db, savepoint=False):
            created = super().bulk_create(objects, **options)
            self._remember(created)
            _record(listening, created, "create", self.db)
        return created

    def _remember(self, objects: Iterable[M], names: Collection[str] | None = None) -> None:
        """Have ``objects`` compared with what was written here, when they are saved next."""
        if any(attachment.publisher.changes for attachment in attachments_of(self.model)):
            for one in objects:
                remember_saved(one, self.db, names)

    def _refuse_unknown_keys(self, objects: Sequence[M]) -> None:
        if connections[self.db].features.can_return_rows_from_bulk_insert:
            return
        if not all(one._is_pk_set() for one in objects):  # type: ignore[attr-defined]
            raise KeysUnknownError(
                f"{self.model._meta.label}: this database does not tell bulk_create() the keys of new rows. Set them,"
                " save one by one, or wrap it in suppress()."
            )


def _relevant(model: type[Model], action: str, names: Iterable[str] | None = None) -> list[Attachment]:
    """The attachments of ``model`` that ``action``, or a write of the fields ``names``, is to be told to."""
    written = None if names is None else _field_names(model, names)
    return [
        attachment
        for attachment in attachments_of(model)
        if action in attachment.publisher.actions
        and not attachment.publisher.is_silent()
        and (written is None or _is_touched(attachment, model, written))
    ]


def _is_touched(attachment: Attachment, model: type[Model], written: Collection[str]) -> bool:
    if touched(attachment.model, written, attachment.publisher.fields):
        return True
    return not attachment.publisher.fields and model._meta.concrete_model is attachment.model


def _field_names(model: type[Model], names: Iterable[str]) -> list[str]:
    known = {field.attname: field.name for field in model._meta.concrete_fields}
    return [known.get(name, name) for name in names]


def _key_names(model: type[Model]) -> set[str]:
    """What an update may call a part of the primary key of ``model`` or of its parents."""
    keys = [*model._meta.pk_fields, *(field for field in model._meta.concrete_fields if field.primary_key)]
    return {"pk", *(name for field in keys for name in (field.name, field.attname))}


def _record_updates(
    model: type[Model],
    using: str,
    listening: Iterable[Attachment],
    before: Mapping[Any, Values],
    names: Collection[str],
) -> None:
    """Publish updates of the rows ``before`` in their order, with the values that they have now."""
    for keys in chunks(list(before)):
        rows: dict[Any, Any] = QuerySet(model).using(using).in_bulk(keys)
        found = [rows[key] for key in keys if key in rows]
        for attachment in listening:
            written = touched(attachment.model, names, attachment.publisher.fields)
            changes: list[Change | None] = [
                find_change(attachment.model, before[row.pk], row, written, attachment.publisher.fields)
                if attachment.publisher.changes
                else Change(written)
                for row in found
            ]
            attachment.record(found, "update", using, changes=changes)


def _record(listening: Iterable[Attachment], rows: Sequence[Model], action: str, using: str) -> None:
    for attachment in listening:
        for some in chunks(rows):
            attachment.record(some, action, using)
