"""Whether the database is away: then no event is to blame."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from django import db
from django.db import Error, InterfaceError, OperationalError, connections

from stream_events.conf import is_configured
from stream_events.connections import explain
from stream_events.consuming.halt import Halt

logger = logging.getLogger("stream_events")


def look_after() -> None:
    """Close connections of this thread that are old or broken; the next query opens new ones."""
    if is_configured():
        db.close_old_connections()
        db.reset_queries()


def leave() -> None:
    """Close all connections of this thread, which is about to end."""
    if is_configured():
        connections.close_all()


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


def probe_intervals() -> Iterator[float]:
    """Seconds to wait before each probe, without end."""
    return chain((0.5, 1.0, 2.0), repeat(5.0))


class DatabaseOutage:
    """The time while the database is away, for the threads that have noticed; ``patience`` is in seconds."""

    def __init__(self, halt: Halt, patience: float) -> None:
        self._halt = halt
        self._patience = patience
        self._waiting: set[int] = set()

    @property
    def is_on(self) -> bool:
        return bool(self._waiting)

    def sit_out(self, error: BaseException, give_up: Callable[[], None]) -> bool:
        """Return when the database is back; False if patience came to an end before, and ``give_up`` was called.

        False as well if the consumer is to stop.
        """
        logger.error("database_outage error=%r: reading pauses", explain(error))
        deadline, is_patient = time.monotonic() + self._patience, True
        self._waiting.add(threading.get_ident())
        try:
            for pause in probe_intervals():
                self._halt.wait(pause)
                if self._halt.is_asked():
                    return False
                if is_there():
                    logger.warning("database_available")
                    return is_patient
                if is_patient and time.monotonic() > deadline:
                    give_up()
                    is_patient = False
        finally:
            self._waiting.discard(threading.get_ident())
        return False
