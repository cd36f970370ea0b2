"""Which databases may hold an outbox."""

from __future__ import annotations

from django.db import connections, router

from stream_events.conf import get_settings
from stream_events.models import OutboxEvent

NO_DATABASE = "django.db.backends.dummy"


def outbox_aliases() -> list[str]:
    """The aliases in ``OUTBOX["DATABASES"]``, or those of every database where the outbox's table may be.

    One that tests take for the mirror of another is its replica, and shows the same rows. Without ``DATABASES`` there
    is none, though Django has an alias then, too.
    """
    named = get_settings().outbox.get("DATABASES")
    if named is not None:
        return list(named)
    return [
        alias
        for alias, options in connections.settings.items()
        if options["ENGINE"] != NO_DATABASE
        and not options["TEST"]["MIRROR"]
        and router.allow_migrate_model(alias, OutboxEvent)
    ]


def has_table(alias: str) -> bool:
    """Whether the outbox's table is in the database; raises Django's database errors when it cannot be asked."""
    with connections[alias].cursor() as cursor:
        return OutboxEvent._meta.db_table in connections[alias].introspection.table_names(cursor)


def migrate_command(alias: str) -> str:
    """What makes the outbox's table in the database ``alias``."""
    return f"manage.py migrate stream_events --database {alias}"
