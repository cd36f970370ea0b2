"""What a saved or deleted instance says in its event."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, QuerySet
from django.db.models.fields.files import FieldFile

from stream_events.exceptions import EventEncodeError

# Values of these kinds hold no expression, and those of most fields are as they are.
_PLAIN = frozenset({str, int, bool, type(None)})


def object_payload(
    model: type[Model], instance: Model, action: str, *, names: Sequence[str] = (), using: str | None = None
) -> dict[str, Any]:
    """The payload for ``instance`` seen as a ``model``, with the fields ``names`` as its data.

    Values that the instance does not hold (expressions, deferred and generated fields) are read with one query on
    ``using``. Raises ``EventEncodeError`` for a value that its own field does not understand.
    """
    payload = {"obj_id": object_key(model, instance), "obj_type": _obj_type(model), "action": action}
    if names:
        payload["data"] = _field_values(model, instance, tuple(names), using)
    return payload


def object_key(model: type[Model], instance: Model) -> Any:
    """The primary key of ``instance`` seen as a ``model``, as JSON has it."""
    # A child of multi-table inheritance has its parent's fields, so the parent's key is among them.
    parts = [json_key(to_python(field, getattr(instance, field.attname))) for field in _key_fields(model)]
    return parts if len(parts) > 1 else parts[0]


def json_key(value: Any) -> Any:
    """A primary key as JSON has it: numbers and strings as they are, anything else as a string."""
    if isinstance(value, tuple):
        return [json_key(part) for part in value]
    return value if isinstance(value, int | str) else str(value)


def touched(model: type[Model], update_fields: Collection[str], names: Collection[str]) -> list[str]:
    """Those of ``update_fields`` that ``model`` has, in its order; limited to ``names`` where there are any."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if (field.name in update_fields or field.attname in update_fields) and (not names or field.name in names)
    ]


def concrete_field(model: type[Model], name: str) -> Field[Any, Any]:
    """The field ``name`` of ``model``; raises ``FieldDoesNotExist`` unless it has a value of its own to publish."""
    field = model._meta.get_field(name)
    if not isinstance(field, Field) or field.many_to_many:
        raise FieldDoesNotExist(f"{model._meta.label}.{name} has no value of its own to publish")
    return field


def to_python(field: Field[Any, Any], value: Any) -> Any:
    """What ``field`` makes of ``value``; raises ``EventEncodeError`` when it refuses it, which tells no value."""
    return _converted(field.to_python, value, field.model, field.name)


def is_expression(value: Any) -> bool:
    return hasattr(value, "resolve_expression")


@cache
def _obj_type(model: type[Model]) -> str:
    return model._meta.label_lower


@cache
def _key_fields(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    return tuple(model._meta.pk_fields)


@cache
def _columns(model: type[Model], names: tuple[str, ...]) -> tuple[tuple[str, str, Callable[[Any], Any], bool], ...]:
    """For each field: name, attribute, what makes Python of its values, whether the database computes it."""
    fields = {name: concrete_field(model, name) for name in names}
    return tuple((name, field.attname, field.to_python, field.generated) for name, field in fields.items())


def _field_values(model: type[Model], instance: Model, names: tuple[str, ...], using: str | None) -> dict[str, Any]:
    columns = _columns(model, names)
    held = instance.__dict__
    values: dict[str, Any] = {}
    missing: list[str] = []
    for name, attname, to_python, is_generated in columns:
        if attname in held and not is_generated:
            value = getattr(instance, attname)
            kind = type(value)
            if kind in _PLAIN or not is_expression(value):
                values[name] = _converted(to_python, value, model, name)
                continue
        values[name] = None  # keeps the order
        missing.append(name)
    if missing:
        rows: QuerySet[Any, Any] = QuerySet(model).using(using).filter(pk=_raw_key(model, instance)).values(*missing)
        read = rows.first() or dict.fromkeys(missing)
        for name, _, to_python, _ in columns:
            if name in read:
                values[name] = _converted(to_python, read[name], model, name)
    return values


def _raw_key(model: type[Model], instance: Model) -> Any:
    parts = tuple(to_python(field, getattr(instance, field.attname)) for field in _key_fields(model))
    return parts if len(parts) > 1 else parts[0]


def _converted(to_python: Callable[[Any], Any], value: Any, model: type[Model], name: str) -> Any:
    if isinstance(value, FieldFile):
        return value.name
    try:
        return to_python(value)
    except (ValidationError, TypeError, ValueError) as error:
        # What the field says quotes the value, and this is logged.
        kind = type(value).__name__
        raise EventEncodeError(f"{model._meta.label}.{name}: the field refuses its value, a {kind}") from error
