"""``EventQuerySet``: bulk writes that publish what they do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

from django.db import connections, transaction
from django.db.models import Model, QuerySet

from stream_events.exceptions import KeysUnknownError
from stream_events.publishing.attachment import Attachment, attachments_of
from stream_events.publishing.changes import Change, Values, find_change, forget, plain_values
from stream_events.publishing.matching import AT_A_TIME, Matching, chunks
from stream_events.publishing.model_events import touched

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
        if (
            self._is_captured or self.query.is_sliced or self.query.combinator
        ):  # the latter two are for Django to refuse
            return super().update(**kwargs)
        names = _field_names(self.model, kwargs)
        if {field.name for field in self.model._meta.pk_fields}.intersection(names) and _relevant(
            self.model, "update"
        ):
            raise KeysUnknownError(
                f"{self.model._meta.label}: update() of the primary key leaves no object that events could be about."
                " Create the new rows and delete the old ones, or wrap it in suppress()."
            )
        listening = _relevant(self.model, "update", names)
        if not listening:
            return super().update(**kwargs)
        self._for_write = True
        for _ in range(ATTEMPTS):
            with transaction.atomic(using=self.db):
                before = _Rows(self.model, self.db, listening).select(self)
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
        forget(objects)  # what they remember is overwritten
        uncaught = self._chain()  # type: ignore[attr-defined]
        uncaught._is_captured = True  # it calls update()
        listening = [] if self._is_captured else _relevant(self.model, "update", names)
        if not listening or not all(one._is_pk_set() for one in objects):  # type: ignore[attr-defined]
            return int(super(EventQuerySet, uncaught).bulk_update(objects, names, batch_size))
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            before: dict[Any, Values] = {}
            for some in chunks(objects):
                chosen = self.filter(pk__in=[one.pk for one in some])
                found = _Rows(self.model, self.db, listening).select(chosen)
                before.update({one.pk: found[one.pk] for one in some if one.pk in found})
            count = int(super(EventQuerySet, uncaught).bulk_update(objects, names, batch_size))
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
        forget(objects)
        options = {
            "batch_size": batch_size,
            "ignore_conflicts": ignore_conflicts,
            "update_conflicts": update_conflicts,
            "update_fields": update_fields,
            "unique_fields": unique_fields,
        }
        creating = _relevant(self.model, "create")
        updating = _relevant(self.model, "update", update_fields or ()) if update_conflicts else []
        if self._is_captured or not objects or not (creating or updating):
            return super().bulk_create(objects, **options)  # type: ignore[arg-type]
        self._for_write = True
        if not (ignore_conflicts or update_conflicts):
            self._refuse_unknown_keys(objects)
            with transaction.atomic(using=self.db, savepoint=False):
                created = super().bulk_create(objects, **options)  # type: ignore[arg-type]
                _record(creating, created, "create", self.db)
            return created
        matching = Matching(self.model, self.db, unique_fields or ())
        with transaction.atomic(using=self.db, savepoint=False):
            existing = {row.pk: plain_values(row) for row in matching.rows(objects, lock=True)}
            created = super().bulk_create(objects, **options)  # type: ignore[arg-type]
            for rows in chunks(matching.rows(objects)):
                _record(creating, [row for row in rows if row.pk not in existing], "create", self.db)
            if updating:
                names = _field_names(self.model, update_fields or ())
                _record_updates(self.model, self.db, updating, existing, names)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def _refuse_unknown_keys(self, objects: Sequence[M]) -> None:
        if connections[self.db].features.can_return_rows_from_bulk_insert:
            return
        if not all(one._is_pk_set() for one in objects):  # type: ignore[attr-defined]
            raise KeysUnknownError(
                f"{self.model._meta.label}: this database does not tell bulk_create() the keys of new rows. Set them,"
                " save one by one, or wrap it in suppress()."
            )


class _Rows:
    """Rows that are about to be updated: their keys, and their values where changes are told."""

    def __init__(self, model: type[Model], using: str, listening: Iterable[Attachment]) -> None:
        self._model = model
        self._using = using
        self._needs_values = any(attachment.publisher.changes for attachment in listening)

    def select(self, chosen: QuerySet[Any, Any]) -> dict[Any, Values]:
        """The rows of ``chosen`` in the order of their keys, which is the same for all who lock them."""
        keys = chosen.using(self._using).order_by().values("pk")
        rows: QuerySet[Any, Any] = QuerySet(self._model).using(self._using).filter(pk__in=keys).order_by("pk")
        if connections[self._using].features.has_select_for_update:
            rows = rows.select_for_update()
        if self._needs_values:
            return {row.pk: plain_values(row) for row in rows.iterator(AT_A_TIME)}
        return {key: {} for key in rows.values_list("pk", flat=True).iterator(AT_A_TIME)}


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
