"""Whether the database is away: then no event is to blame."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, repeat

from django.db import Error, InterfaceError, OperationalError, connections

logger = logging.getLogger("stream_events")


def probe_intervals() -> Iterator[float]:
    """Seconds to wait before each probe, without end."""
    return chain((0.5, 1.0, 2.0), repeat(5.0))


def is_outage(error: BaseException) -> bool:
    """Whether ``error`` came of a database that cannot be reached.

    A missing table, a deadlock and a statement that took too long are errors of the same classes; so a database
    counts as away only if a new connection to it fails as well.
    """
    return isinstance(error, OperationalError | InterfaceError) and not is_there()


def is_there() -> bool:
    """Whether each database that this thread has used answers on a new connection."""
    for used in connections.all(initialized_only=True):
        fresh = connections.create_connection(used.alias)
        try:
            with fresh.cursor() as cursor:
                cursor.execute(f"SELECT 1{fresh.features.bare_select_suffix}")
        except Error as error:
            logger.warning("database_unavailable alias=%s error=%s", used.alias, type(error).__name__)
            return False
        finally:
            fresh.close()
    return True
