"""The table of events that are still to be appended: here its rows are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from stream_events.publishing.entries import NewEntry

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from stream_events.models import OutboxEvent

CHANNEL = "stream_events_outbox"  # of PostgreSQL, on which relays listen
AT_A_TIME = 500  # rows in one statement, at most

_COLUMNS = ("id", "aggregatetype", "aggregateid", "type", "payload", "headers")
_LONGEST = 255  # characters of a column


def outbox_rows(using: str) -> QuerySet[OutboxEvent]:
    """The rows of the outbox in the database ``using``."""
    # Not on import: an apps.py may import publishers before Django has loaded any model.
    from stream_events.models import OutboxEvent

    return OutboxEvent.objects.using(using)


def write_outbox(entries: Sequence[NewEntry], using: str) -> None:
    """Write a row for each of ``entries``, in the transaction on the database ``using``, if there is one.

    Raises ``django.db.DatabaseError``, and then that transaction can only be rolled back.
    """
    connection = transaction.get_connection(using)
    most = min(AT_A_TIME, (connection.features.max_query_params or 10**6) // len(_COLUMNS))
    native_uuid = connection.features.has_native_uuid_field
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        for at in range(0, len(entries), most):
            some = entries[at : at + most]
            values = [value for entry in some for value in _values(entry, native_uuid)]
            cursor.execute(_statement(connection, len(some)), values)


def _statement(connection: BaseDatabaseWrapper, count: int) -> str:
    quote = connection.ops.quote_name
    return _insert(
        connection.vendor,
        quote(outbox_rows(connection.alias).model._meta.db_table),
        tuple(map(quote, _COLUMNS)),
        count,
    )


@cache
def _insert(vendor: str, table: str, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join(['%s'] * len(columns))})"
    rows = ", ".join([row] * count)
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {rows}"  # noqa: S608 - names and placeholders
    if vendor == "postgresql":  # in the same trip, and only once for a transaction however often it is said
        return f"WITH added AS ({insert}) SELECT pg_notify('{CHANNEL}', '')"
    return insert


def _values(entry: NewEntry, native_uuid: bool) -> tuple[str, ...]:
    return (
        entry.event_id if native_uuid else entry.event_id.replace("-", ""),
        entry.stream,
        _fit(aggregate_id(entry.subject[1])),
        _fit(str(entry.action)),
        entry.payload.decode(),
        json.dumps(entry.headers) if entry.headers else "",
    )


def aggregate_id(obj_id: Any) -> str:
    """The key of an object as the column ``aggregateid`` holds it."""
    return obj_id if isinstance(obj_id, str) else json.dumps(obj_id, default=str)


def _fit(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:100]}…{hashlib.sha256(text.encode()).hexdigest()}"
