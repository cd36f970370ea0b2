"""The rows that a bulk write is about to write, or has written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any, TypeVar

from django.db import connections
from django.db.models import Model, Q, QuerySet

from stream_events.exceptions import KeysUnknownError
from stream_events.publishing.attachment import Attachment
from stream_events.publishing.changes import Values, held_values
from stream_events.publishing.model_events import is_expression

AT_A_TIME = 500  # rows that are read at once

T = TypeVar("T")


def lock_rows(chosen: QuerySet[Any, Any], using: str, listening: Iterable[Attachment]) -> dict[Any, Values]:
    """The keys of the rows of ``chosen``, with their values where changes are told; locked where the database can.

    They are in the order of the keys, which is the same for all who lock them.
    """
    keys = chosen.using(using).order_by().values("pk")
    rows: QuerySet[Any, Any] = QuerySet(chosen.model).using(using).filter(pk__in=keys).order_by("pk")
    if connections[using].features.has_select_for_update:
        rows = rows.select_for_update()
    if any(attachment.publisher.changes for attachment in listening):
        return {row.pk: held_values(row) for row in rows.iterator(AT_A_TIME)}
    nothing: Values = {}
    return {key: nothing for key in rows.values_list("pk", flat=True).iterator(AT_A_TIME)}  # noqa: C420 - it reads


class Matching:
    """The rows with the same values in ``unique_fields`` as some objects."""

    def __init__(self, model: type[Model], using: str, unique_fields: Collection[str]) -> None:
        if not unique_fields:
            raise KeysUnknownError(
                f"{model._meta.label}: bulk_create() that ignores or updates conflicts does not tell which rows it has"
                " written. Name unique_fields, or wrap it in suppress()."
            )
        self._model = model
        self._using = using
        meta = model._meta
        self._fields: list[Any] = [meta.pk if name == "pk" else meta.get_field(name) for name in unique_fields]

    def rows(self, objects: Sequence[Model], *, lock: bool = False) -> Iterator[Model]:
        """Those rows, in the order of ``objects``."""
        seen: set[Any] = set()  # objects may be alike
        for some in chunks(objects):
            found: QuerySet[Any, Any] = (
                QuerySet(self._model).using(self._using).filter(reduce(or_, map(self._alike, some)))
            )
            if lock and connections[self._using].features.has_select_for_update:
                found = found.order_by("pk").select_for_update()
            places = {self._values(one): at for at, one in enumerate(some)}
            # What the database takes for equal, such as other capitals, comes last.
            rows = sorted(found, key=lambda row: places.get(self._values(row), len(places)))
            yield from (row for row in rows if row.pk not in seen)
            seen.update(row.pk for row in rows)

    def _alike(self, one: Model) -> Q:
        values = {field.attname: getattr(one, field.attname) for field in self._fields}
        if any(map(is_expression, values.values())):
            raise KeysUnknownError(f"{self._model._meta.label}: unique_fields that hold expressions match nothing.")
        if None in values.values():
            raise KeysUnknownError(f"{self._model._meta.label}: unique_fields that are NULL match nothing.")
        return Q(**values)

    def _values(self, one: Model) -> tuple[Any, ...]:
        return tuple(field.to_python(getattr(one, field.attname)) for field in self._fields)


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """``items``, ``AT_A_TIME`` of them at a time."""
    remaining = iter(items)
    while some := list(islice(remaining, AT_A_TIME)):
        yield some
