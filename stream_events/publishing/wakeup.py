"""Waiting for new rows of an outbox: PostgreSQL says when there are some, other databases have to be asked."""

from __future__ import annotations

import contextlib
import logging
import threading
from inspect import signature
from typing import Any

from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from stream_events.connections import explain
from stream_events.publishing.outbox import CHANNEL

logger = logging.getLogger("stream_events")

SHORTEST, LONGEST = 0.02, 1.0  # seconds between looks; longer each time that there is nothing


class Wakeup:
    """Waits until there may be new rows in the outbox of the database ``alias``. Used by one thread."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._pause = SHORTEST
        self._ear: BaseDatabaseWrapper | None = None  # a connection that only listens

    def found_some(self) -> None:
        """There were rows a moment ago: more are likely."""
        self._pause = SHORTEST

    def wait(self, stop: threading.Event) -> None:
        """Return when new rows were announced, and in any case after a second, or when ``stop`` is set."""
        if self._can_listen():
            try:
                self._listen()
                return
            except Error as error:
                logger.warning("outbox_not_heard database=%s error=%r", self._alias, explain(error))
                self.close()
        stop.wait(self._pause)
        self._pause = min(self._pause * 1.5, LONGEST)

    def close(self) -> None:
        if self._ear is not None:
            with contextlib.suppress(Error):  # it may be gone already
                self._ear.close()
            self._ear = None

    def _can_listen(self) -> bool:
        if connections[self._alias].vendor != "postgresql":
            return False
        # Psycopg 3.2 and newer can wait for some time; with older drivers the database is asked.
        driver: Any = connections[self._alias].Database  # type: ignore[attr-defined]
        notifies = getattr(getattr(driver, "Connection", None), "notifies", None)
        return callable(notifies) and "timeout" in signature(notifies).parameters

    def _listen(self) -> None:
        if self._ear is None:
            self._ear = connections.create_connection(self._alias)
            with self._ear.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            return  # what was committed before this moment was announced to nobody
        driver: Any = self._ear.connection
        for _ in driver.notifies(timeout=LONGEST, stop_after=1):
            pass
