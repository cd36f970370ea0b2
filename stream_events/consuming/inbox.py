"""``once=True``: what a handler writes to its database happens once, however often the event comes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, IntegrityError, connections, router, transaction
from django.utils import timezone

from stream_events.events import Event
from stream_events.exceptions import ConfigurationError
from stream_events.registration import Handler

if TYPE_CHECKING:
    from stream_events.models import InboxEntry

logger = logging.getLogger("stream_events")

PRUNED_AT_A_TIME = 1000  # rows; short transactions
PRUNING_INTERVAL = 600.0  # seconds

_LONGEST = 200  # characters of a column


class SomeHandledBeforeError(Exception):
    """A batch holds events that were handled before; nothing was done, and each has to be asked for alone."""


def handle_once(handler: Handler, events: Sequence[Event], call: Callable[[], Any]) -> bool:
    """Call ``call`` unless the event was handled before; False when it was.

    The inbox rows are written first, by one statement in one transaction with what ``call`` writes: of two
    processes with the same event, the second waits for the first to commit, and then finds its row. Raises
    ``SomeHandledBeforeError`` for several events when not all of them are new.
    """
    inbox = _inbox()
    rows = [
        inbox(group=_fit(handler.group), handler=_fit(handler.name), event_id=_fit(event.event_id)) for event in events
    ]
    are_new = False
    try:
        with transaction.atomic(using=handler.atomic):
            inbox.objects.using(handler.atomic).bulk_create(rows)
            are_new = True
            call()
    except IntegrityError as error:
        if are_new:
            raise  # the handler's own
        if len(events) > 1:
            raise SomeHandledBeforeError from error
        return False
    return True


def prune(alias: str, retention: float) -> int:
    """Forget events handled longer ago than ``retention`` seconds; returns how many, a limited number at a time."""
    rows = _inbox().objects.using(alias)
    old = rows.filter(handled_at__lt=timezone.now() - timedelta(seconds=retention)).order_by("handled_at")
    keys = list(old.values_list("pk", flat=True)[:PRUNED_AT_A_TIME])
    rows.filter(pk__in=keys).delete()
    return len(keys)


def prune_all(handlers: Iterable[Handler], retention: float) -> float:
    """Prune every inbox of ``handlers``; returns after how many seconds to do so again. A failure is logged."""
    try:
        for alias in aliases(handlers):
            while prune(alias, retention) == PRUNED_AT_A_TIME:
                pass
    except DatabaseError as error:
        logger.warning("inbox_not_pruned error=%s", type(error).__name__)
    finally:
        connections.close_all()
    return PRUNING_INTERVAL


def aliases(handlers: Iterable[Handler]) -> list[str]:
    """The databases that hold an inbox for ``handlers``."""
    return sorted({handler.atomic for handler in handlers if handler.once and handler.atomic})


def check_tables(handlers: Iterable[Handler]) -> None:
    """Raise ``ConfigurationError`` if the inbox's table is missing where ``handlers`` need it.

    A database that cannot be asked now is no reason: it may be there for the first event.
    """
    for alias in aliases(handlers):
        try:
            with connections[alias].cursor() as cursor:
                tables = connections[alias].introspection.table_names(cursor)
        except DatabaseError:
            continue
        if (table := _inbox()._meta.db_table) not in tables:
            raise ConfigurationError(
                f"once=True needs the table {table!r} in the database {alias!r}: run"
                f" manage.py migrate --database {alias}."
            )


def why_not(handler: Handler) -> str:
    """Why the transaction of ``handler`` cannot work, or an empty string."""
    alias = handler.atomic
    if alias is None:
        return ""
    if alias not in connections:
        return f"there is no database {alias!r}"
    if handler.once and not router.allow_migrate_model(alias, _inbox()):
        return f"a database router keeps the inbox's table out of the database {alias!r}"
    return ""


def check_transactions(handlers: Iterable[Handler]) -> None:
    """Raise ``ConfigurationError`` if the transaction of one of ``handlers`` cannot work."""
    for handler in handlers:
        if reason := why_not(handler):
            raise ConfigurationError(f"handler {handler.name}: {reason}")


def _inbox() -> type[InboxEntry]:
    # Models exist only where Django is configured; a consumer without once=True needs neither.
    from stream_events.models import InboxEntry

    return InboxEntry


def _fit(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:100]}…{hashlib.sha256(text.encode()).hexdigest()}"
