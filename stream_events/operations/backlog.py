"""What waits in the outboxes. Every look is bounded."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import Error, connections, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from stream_events.connections import explain
from stream_events.models import OutboxEvent
from stream_events.publishing.outbox_databases import has_table, migrate_command, outbox_aliases

COUNTED = 10_000  # events, at most: databases count row by row

# By the clock that wrote the time, and so in no need of the database's time zone.
AGE = Now() - F("created_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """The events that wait in one database, or the ``problem`` that keeps them from being counted."""

    alias: str
    count: int = 0
    has_more: bool = False  # than were counted
    oldest_at: datetime | None = None
    age: float = 0.0  # seconds that the oldest has waited
    problem: str = ""


def outbox_backlogs() -> list[Backlog]:
    """The backlog of every database that may hold an outbox."""
    return [outbox_backlog(alias) for alias in outbox_aliases()]


def outbox_backlog(alias: str) -> Backlog:
    """The backlog of one database. Never raises because of the database."""
    if alias not in connections:
        return Backlog(alias=alias, problem=_("There is no database “%s” in DATABASES.") % alias)
    try:
        # An error inside a transaction must not spoil it for those who are in it; alone, none is opened.
        with transaction.atomic(using=alias) if connections[alias].in_atomic_block else nullcontext():
            return _ask(alias)
    except Error as error:
        return Backlog(alias=alias, problem=_problem(alias, error))


def _ask(alias: str) -> Backlog:
    events = OutboxEvent.objects.using(alias)
    age: timedelta | None = events.order_by("position").values_list(AGE, flat=True).first()
    if age is None:
        return Backlog(alias=alias)
    age = max(age, timedelta(0))
    found = events.order_by()[: COUNTED + 1].count()
    return Backlog(
        alias=alias,
        count=min(found, COUNTED),
        has_more=found > COUNTED,
        oldest_at=datetime.now(UTC) - age,
        age=age.total_seconds(),
    )


def _problem(alias: str, error: Error) -> str:
    with suppress(Error):
        if not has_table(alias):
            return _("The outbox has no table in the database “%(alias)s”: run %(command)s") % {
                "alias": alias,
                "command": migrate_command(alias),
            }
    return _("The database “%(alias)s” does not answer: %(error)s") % {"alias": alias, "error": explain(error)}
