"""What a saved or deleted instance says in its event."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, QuerySet
from django.db.models.fields.files import FieldFile

from stream_events.exceptions import EventEncodeError


def object_payload(
    model: type[Model], instance: Model, action: str, *, names: Sequence[str] = (), using: str | None = None
) -> dict[str, Any]:
    """The payload for ``instance`` seen as a ``model``, with the fields ``names`` as its data.

    Values that the instance does not hold (expressions, deferred and generated fields) are read with one query on
    ``using``.
    Raises ``EventEncodeError`` for a value that its own field does not understand.
    """
    payload = {
        "obj_id": _json_key(_key(model, instance)),
        "obj_type": model._meta.label_lower,
        "action": action,
    }
    if names:
        payload["data"] = _field_values(model, instance, names, using)
    return payload


def touched(model: type[Model], update_fields: Collection[str], names: Collection[str]) -> list[str]:
    """Those of ``update_fields`` that ``model`` has, in its order; limited to ``names`` where there are any."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if (field.name in update_fields or field.attname in update_fields) and (not names or field.name in names)
    ]


def _field_values(model: type[Model], instance: Model, names: Sequence[str], using: str | None) -> dict[str, Any]:
    fields = {name: concrete_field(model, name) for name in names}
    deferred = instance.get_deferred_fields()
    values = {
        name: getattr(instance, field.attname) for name, field in fields.items() if field.attname not in deferred
    }
    missing = [
        name
        for name, field in fields.items()
        if name not in values or field.generated or hasattr(values[name], "resolve_expression")
    ]
    if missing:
        rows: QuerySet[Any, Any] = QuerySet(model).using(using).filter(pk=_key(model, instance)).values(*missing)
        values.update(rows.first() or dict.fromkeys(missing))
    return {name: _to_python(field, values[name]) for name, field in fields.items()}


def concrete_field(model: type[Model], name: str) -> Field[Any, Any]:
    """The field ``name`` of ``model``; raises ``FieldDoesNotExist`` unless it has a value of its own to publish."""
    field = model._meta.get_field(name)
    if not isinstance(field, Field) or field.many_to_many:
        raise FieldDoesNotExist(f"{model._meta.label}.{name} has no value of its own to publish")
    return field


def _key(model: type[Model], instance: Model) -> Any:
    # A child of multi-table inheritance has its parent's fields, so the parent's key is among them.
    names = model._meta.pk_fields
    parts = tuple(_to_python(field, getattr(instance, field.attname)) for field in names)
    return parts if len(parts) > 1 else parts[0]


def _to_python(field: Field[Any, Any], value: Any) -> Any:
    if isinstance(value, FieldFile):
        return value.name
    try:
        return field.to_python(value)
    except (ValidationError, TypeError, ValueError) as error:
        raise EventEncodeError(f"{field}: {error}") from error


def _json_key(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json_key(part) for part in value]
    return value if isinstance(value, int | str) else str(value)
