"""What a save has changed: instances remember the values that they were loaded with."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Collection, Iterable
from copy import deepcopy
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model, QuerySet
from django.db.models.fields.files import FieldFile

from stream_events.publishing.model_events import concrete_field, is_expression, to_python
from stream_events.publishing.moments import Moment, current_moment

_STATE = "stream_events_values"  # the attribute of an instance's _state
_IMMUTABLE = frozenset(
    {str, int, float, bool, bytes, type(None), Decimal, UUID, datetime.date, datetime.time, datetime.datetime}
)

Values = dict[str, Any]  # by the attribute's name


class Change(NamedTuple):
    """The names of fields that changed, and what their values were, where that is to be told."""

    changed: list[str]
    previous: Values | None = None


class Remembered(NamedTuple):
    """What the database ``using`` held for an instance, unless it was rolled back ``since``."""

    values: Values
    using: str | None = None
    since: Moment | None = None

    def __deepcopy__(self, memo: object) -> Remembered:
        return self  # as happens to what setUpTestData makes, in every test

    def __reduce__(self) -> tuple[type[Remembered], tuple[Values]]:
        return Remembered, ({},)  # what comes out of a cache was not loaded from the database


def watch_loading(model: type[Model]) -> None:
    """Have instances of ``model`` remember what is loaded into them, now and when they are refreshed."""
    if getattr(model.from_db, "_remembers", False):
        return
    from_db = model.from_db.__func__  # type: ignore[attr-defined]
    refresh_from_db = model.refresh_from_db

    @functools.wraps(from_db)
    def remembering_from_db(cls: type[Model], *args: Any, **kwargs: Any) -> Model:
        instance: Model = from_db(cls, *args, **kwargs)
        _remember(instance, held_values(instance))
        return instance

    @functools.wraps(refresh_from_db)
    def remembering_refresh(self: Model, *args: Any, **kwargs: Any) -> None:
        fields = kwargs.get("fields") or (args[1] if len(args) > 1 else None)
        if fields:
            fields = set(fields)
            args, kwargs = args[:1], {**kwargs, "fields": fields}
        refresh_from_db(self, *args, **kwargs)
        _remember(self, {**_known(self, self._state.db), **held_values(self, fields)} if fields else held_values(self))

    remembering_from_db._remembers = True  # type: ignore[attr-defined]
    model.from_db = classmethod(remembering_from_db)  # type: ignore[assignment]
    model.refresh_from_db = remembering_refresh  # type: ignore[method-assign]


def values_before(model: type[Model], instance: Model, names: Iterable[str], using: str) -> Values | None:
    """The values of the fields ``names`` as the database has them before a save; None for what is not there yet.

    Costs a query where the instance was not loaded by this process from that database, or not with all of them, or
    where what it was loaded with has been rolled back.
    """
    attributes = [concrete_field(model, name).attname for name in names]
    known = _known(instance, using)
    if all(attribute in known for attribute in attributes):
        return known
    rows = _stored(model, instance, using)
    return None if rows is None else rows.values(*attributes).first()


def has_row(model: type[Model], instance: Model, using: str) -> bool:
    """Whether there is a row of ``model`` for ``instance``, which may be about to become a child of it."""
    rows = _stored(model, instance, using)
    return rows is not None and rows.exists()


def remember_saved(instance: Model, using: str, update_fields: Collection[str] | None) -> None:
    """Note that the values of ``instance`` are now in the database, or only those of ``update_fields``."""
    values = held_values(instance, update_fields)
    if update_fields is not None:
        written = {field.attname for field in _named(instance, update_fields)}  # expressions, too
        values.update({name: value for name, value in _known(instance, using).items() if name not in written})
    _remember(instance, values, using)


def forget(instances: Iterable[Model]) -> None:
    """Note that nobody knows which values of ``instances`` are in the database."""
    for instance in instances:
        instance._state.__dict__.pop(_STATE, None)


def held_values(instance: Model, names: Collection[str] | None = None) -> Values:
    """What ``instance`` holds in all fields or those called ``names``, safe from later changes; no expressions."""
    held = instance.__dict__
    values: Values = {}
    for field in _named(instance, names):
        value = held.get(field.attname, held)
        if type(value) in _IMMUTABLE:
            values[field.attname] = value
        elif value is not held and not is_expression(value):
            values[field.attname] = _plain(value)
    return values


def find_change(
    model: type[Model], before: Values, after: Model, names: Collection[str], told: Collection[str]
) -> Change:
    """What differs in the fields ``names`` between the values ``before`` and the instance ``after``.

    The previous values of those in ``told`` are told. Raises ``EventEncodeError`` for a value that its own field
    refuses.
    """
    fields = [field for field in model._meta.concrete_fields if field.name in names]
    now = held_values(after, names)
    changed = [
        field for field in fields if field.attname not in now or not _are_equal(field, before[field.attname], now)
    ]
    previous = {field.name: to_python(field, _plain(before[field.attname])) for field in changed if field.name in told}
    return Change([field.name for field in changed], previous if told else None)


def _are_equal(field: Any, before: Any, now: Values) -> bool:
    value = now[field.attname]
    return bool(_plain(before) == value or to_python(field, _plain(before)) == to_python(field, value))


def _stored_key(model: type[Model], instance: Model) -> tuple[Any, ...]:
    """The primary key under which a ``model`` has the row of ``instance``, which may be a child of it."""
    key = tuple(getattr(instance, field.attname) for field in model._meta.pk_fields)
    link = instance._meta.get_ancestor_link(model) if key == (None,) else None
    return (getattr(instance, link.attname),) if link else key


def _stored(model: type[Model], instance: Model, using: str) -> QuerySet[Any, Any] | None:
    """The row that a save of ``instance`` would update; None if it is known to insert one."""
    key = _stored_key(model, instance)
    if None in key or (instance._state.adding and _is_inserted(model)):
        return None
    return QuerySet(model).using(using).filter(pk=key if len(key) > 1 else key[0])


def _is_inserted(model: type[Model]) -> bool:
    """Whether Django inserts a new instance without looking whether there is a row with its key."""
    return all(field.has_default() or field.has_db_default() for field in model._meta.pk_fields)


def _known(instance: Model, using: str | None) -> Values:
    """What the database ``using`` is known to hold for ``instance``."""
    remembered: Remembered | None = instance._state.__dict__.get(_STATE)
    if remembered is None or remembered.using != using or (remembered.since and not remembered.since.stands()):
        return {}
    values = remembered.values
    keys = (field.attname for field in instance._meta.pk_fields)
    is_same_row = all(key in values and values[key] == instance.__dict__.get(key) for key in keys)
    return values if is_same_row else {}


def _remember(instance: Model, values: Values, using: str | None = None) -> None:
    using = using or instance._state.db
    if using is not None:
        values.update((field.attname, instance.__dict__.get(field.attname)) for field in instance._meta.pk_fields)
        setattr(instance._state, _STATE, Remembered(values, using, current_moment(using)))


def _named(instance: Model, names: Collection[str] | None) -> Iterable[Any]:
    """The fields of ``instance`` that have a column and, unless all are meant, one of these names."""
    fields = instance._meta.concrete_fields
    return fields if names is None else [field for field in fields if field.name in names or field.attname in names]


def _plain(value: Any) -> Any:
    if type(value) in _IMMUTABLE:
        return value
    return value.name if isinstance(value, FieldFile) else deepcopy(value)
