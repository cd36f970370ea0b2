"""The table of events that are still to be appended: here its rows are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from stream_events.publishing.entries import NewEntry

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from stream_events.models import OutboxEvent

CHANNEL = "stream_events_outbox"  # of PostgreSQL, on which relays listen
AT_A_TIME = 500  # rows in one statement, at most
BYTES_AT_A_TIME = 4_000_000  # of payloads in one statement; MariaDB ends the connection above 16 MB

_COLUMNS = ("id", "aggregatetype", "aggregateid", "type", "payload", "headers")
_FIELDS = ("event_id", *_COLUMNS[1:])  # of the model, in the same order
_LONGEST = 255  # characters of a column

_statements: dict[tuple[str, int], str] = {}  # by the alias of the database, and the number of rows


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
    native_uuid = connection.features.has_native_uuid_field
    try:
        with connection.cursor() as cursor:
            for some in _pieces(entries, connection):
                cursor.execute(
                    _statement(connection, len(some)),
                    [value for entry in some for value in _values(entry, native_uuid)],
                )
    except BaseException:
        if connection.in_atomic_block:
            connection.needs_rollback = True
        raise


def _pieces(entries: Sequence[NewEntry], connection: BaseDatabaseWrapper) -> Iterator[Sequence[NewEntry]]:
    """``entries`` in pieces that one statement can take."""
    most = min(AT_A_TIME, (connection.features.max_query_params or 10**6) // len(_COLUMNS))
    piece: list[NewEntry] = []
    size = 0
    for entry in entries:
        size += len(entry.payload)
        if piece and (len(piece) == most or size > BYTES_AT_A_TIME):
            yield piece
            piece, size = [], len(entry.payload)
        piece.append(entry)
    if piece:
        yield piece


def insert_rows(entries: Sequence[NewEntry], using: str) -> list[int]:
    """Write rows as ``write_outbox`` does, but tell no relay; returns their positions."""
    connection = transaction.get_connection(using)
    rows = outbox_rows(using)
    positions = []
    for some in _pieces(entries, connection):
        made = [rows.model(**dict(zip(_FIELDS, _values(entry, True), strict=True))) for entry in some]
        if connection.features.can_return_rows_from_bulk_insert:
            rows.bulk_create(made)
        else:
            for row in made:
                row.save(using=using, force_insert=True)
        positions += [row.position for row in made]
    return positions


def replace_row(position: int, entry: NewEntry, using: str) -> None:
    """Have the row at ``position`` tell ``entry``, which is about the same object, instead."""
    _, _, _, action, payload, headers = _values(entry, True)
    outbox_rows(using).filter(position=position).update(type=action, payload=payload, headers=headers)


def announce(using: str) -> None:
    """Tell the relays that listen, when this transaction is committed, that there are rows."""
    connection = transaction.get_connection(using)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_notify('{CHANNEL}', '')")


def _statement(connection: BaseDatabaseWrapper, count: int) -> str:
    try:
        return _statements[connection.alias, count]
    except KeyError:
        statement = _statements[connection.alias, count] = _make_statement(connection, count)
        return statement


def _make_statement(connection: BaseDatabaseWrapper, count: int) -> str:
    quote = connection.ops.quote_name
    table = quote(outbox_rows(connection.alias).model._meta.db_table)
    row = f"({', '.join(['%s'] * len(_COLUMNS))})"
    rows = ", ".join([row] * count)
    insert = f"INSERT INTO {table} ({', '.join(map(quote, _COLUMNS))}) VALUES {rows}"  # noqa: S608 - names only
    if connection.vendor != "postgresql":
        return insert
    # In the same trip; relays hear of a transaction once, after its commit, however often it says so.
    if connection.features.uses_server_side_binding:  # type: ignore[attr-defined]  # which takes one statement at a time
        return f"WITH added AS ({insert}) SELECT pg_notify('{CHANNEL}', '')"
    return f"{insert}; NOTIFY {CHANNEL}"


def _values(entry: NewEntry, native_uuid: bool) -> tuple[str, ...]:
    key = entry.subject[1]
    return (
        entry.event_id if native_uuid else entry.event_id.replace("-", ""),
        entry.stream,
        str(key) if type(key) is int else _fit(_text(key)),
        _fit(str(entry.action)),
        entry.payload.decode(),
        json.dumps(entry.headers) if entry.headers else "",
    )


def _text(key: Any) -> str:
    """The key of an object as the column ``aggregateid`` holds it."""
    return key if isinstance(key, str) else json.dumps(key, default=str)


def _fit(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:100]}…{hashlib.sha256(text.encode()).hexdigest()}"
