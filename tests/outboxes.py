"""Outboxes for tests: with events, without a table, and out of reach."""

import uuid
from datetime import timedelta

from django.db import connections
from django.utils import timezone

from stream_events.models import OutboxEvent

TABLE = OutboxEvent._meta.db_table

# A line for the settings of a project: one more database, which cannot be opened.
AWAY = "DATABASES['away'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': '/no/such/folder/db.sqlite3'}"


def let_wait(count=1, alias="default", age=0, **fields):
    """Writes ``count`` events that wait for ``age`` seconds already."""
    values = {"aggregatetype": "orders", "type": "create", "payload": '{"obj_id":1}', **fields}
    return OutboxEvent.objects.using(alias).bulk_create(
        OutboxEvent(
            event_id=uuid.uuid4(),
            aggregateid=str(number),
            created_at=timezone.now() - timedelta(seconds=age),
            **values,
        )
        for number in range(count)
    )


def take_table_away(alias):
    """Until the test's transaction is rolled back."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO elsewhere")
