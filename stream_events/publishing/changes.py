"""What a save has changed: instances remember the values that they were loaded with."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from copy import deepcopy
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import NOT_PROVIDED, Field, Model, QuerySet
from django.db.models.fields.files import FieldFile

from stream_events.publishing.model_events import is_expression

_STATE = "stream_events_values"  # the attribute of an instance's _state
_IMMUTABLE = frozenset({str, int, float, bool, bytes, type(None)})

Values = dict[str, Any]  # by the attribute's name


class Change(NamedTuple):
    """The names of fields that changed, and what their values were, where that is to be told."""

    changed: list[str]
    previous: Values | None = None


class Save:
    """One save in a transaction; what the instance remembers since then is true only if that is not rolled back."""

    __slots__ = ("alias", "is_final")

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.is_final = not transaction.get_connection(alias).in_atomic_block
        if not self.is_final:
            transaction.on_commit(self.confirm, using=alias, robust=True)

    def confirm(self) -> None:
        self.is_final = True

    def stands(self) -> bool:
        """Whether it was committed, or can still be."""
        if self.is_final:
            return True
        callbacks = connections[self.alias].run_on_commit
        return any(getattr(function, "__self__", None) is self for _, function, *_ in reversed(callbacks))


class Remembered(NamedTuple):
    values: Values
    since: Save | None = None


def watch_loading(model: type[Model]) -> None:
    """Have instances of ``model`` remember what is loaded into them, now and when they are refreshed."""
    if getattr(model.from_db, "_remembers", False):
        return
    from_db = model.from_db.__func__  # type: ignore[attr-defined]
    refresh_from_db = model.refresh_from_db

    @functools.wraps(from_db)
    def remembering_from_db(cls: type[Model], *args: Any, **kwargs: Any) -> Model:
        instance: Model = from_db(cls, *args, **kwargs)
        _remember(instance, _held(instance))
        return instance

    @functools.wraps(refresh_from_db)
    def remembering_refresh(self: Model, *args: Any, **kwargs: Any) -> None:
        refresh_from_db(self, *args, **kwargs)
        fields = kwargs.get("fields") or (args[1] if len(args) > 1 else None)
        _remember(self, {**_known(self), **_held(self, fields)} if fields else _held(self))

    remembering_from_db._remembers = True  # type: ignore[attr-defined]
    model.from_db = classmethod(remembering_from_db)  # type: ignore[assignment]
    model.refresh_from_db = remembering_refresh  # type: ignore[method-assign]


def values_before(model: type[Model], instance: Model, names: Iterable[str], using: str) -> Values | None:
    """The values of the fields ``names`` as the database has them before a save; None for what is not there yet.

    Costs a query where the instance was not loaded by this process, or not with all of them.
    """
    fields = [model._meta.get_field(name) for name in names]
    known = _known(instance) if instance._state.db == using else {}
    if all(field.attname in known for field in fields if isinstance(field, Field)):
        return known
    if not instance._is_pk_set() or (instance._state.adding and _is_inserted(model)):  # type: ignore[attr-defined]
        return None
    rows: QuerySet[Any, Any] = QuerySet(model).using(using).filter(pk=instance.pk)
    return rows.values(*(field.attname for field in fields if isinstance(field, Field))).first()


def remember_saved(instance: Model, using: str, update_fields: Collection[str] | None) -> None:
    """Note that the values of ``instance`` are now in the database, or only those of ``update_fields``."""
    values = _held(instance, update_fields)
    if update_fields is not None:
        written = {field.attname for field in _named(instance, update_fields)}
        values.update({name: value for name, value in _known(instance).items() if name not in written})
    setattr(instance._state, _STATE, Remembered(values, Save(using)))


def forget(instances: Iterable[Model]) -> None:
    """Note that nobody knows which values of ``instances`` are in the database."""
    for instance in instances:
        instance._state.__dict__.pop(_STATE, None)


def find_change(
    model: type[Model], before: Values, after: Model, names: Collection[str], told: Collection[str]
) -> Change:
    """What differs in the fields ``names`` between the values ``before`` and the instance ``after``.

    The previous values of those in ``told`` are told.
    """
    fields = [field for field in model._meta.concrete_fields if field.name in names]
    now = _held(after, names)
    changed = [
        field for field in fields if field.attname not in now or not _are_equal(field, before[field.attname], now)
    ]
    previous = {field.name: field.to_python(_plain(before[field.attname])) for field in changed if field.name in told}
    return Change([field.name for field in changed], previous if told else None)


def plain_values(instance: Model) -> Values:
    """The values that ``instance`` holds, safe from later changes."""
    return _held(instance)


def _are_equal(field: Any, before: Any, now: Values) -> bool:
    value = now[field.attname]
    return bool(_plain(before) == value or field.to_python(_plain(before)) == field.to_python(value))


def _is_inserted(model: type[Model]) -> bool:
    """Whether Django inserts a new instance without looking whether there is a row with its key."""
    key = model._meta.pk
    return key.default is not NOT_PROVIDED or getattr(key, "db_default", NOT_PROVIDED) is not NOT_PROVIDED


def _known(instance: Model) -> Values:
    remembered: Remembered | None = getattr(instance._state, _STATE, None)
    if remembered is None or (remembered.since and not remembered.since.stands()):
        return {}
    return remembered.values


def _remember(instance: Model, values: Values) -> None:
    setattr(instance._state, _STATE, Remembered(values))


def _held(instance: Model, names: Collection[str] | None = None) -> Values:
    """What the instance holds; expressions are nothing that it knows."""
    held = instance.__dict__
    return {
        field.attname: _plain(held[field.attname])
        for field in _named(instance, names)
        if field.attname in held and not is_expression(held[field.attname])
    }


def _named(instance: Model, names: Collection[str] | None) -> Iterable[Any]:
    """The fields of ``instance`` that have a column and, unless all are meant, one of these names."""
    return (
        field
        for field in instance._meta.concrete_fields
        if names is None or field.name in names or field.attname in names
    )


def _plain(value: Any) -> Any:
    if type(value) in _IMMUTABLE:
        return value
    return value.name if isinstance(value, FieldFile) else deepcopy(value)
