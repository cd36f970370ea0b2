"""What any consumer does on the side: it sends what waits in outboxes."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from django.db import Error, connections

from stream_events.connections import explain
from stream_events.exceptions import NotDurableError
from stream_events.publishing.outbox_databases import has_table, outbox_aliases
from stream_events.publishing.relay import Relay

logger = logging.getLogger("stream_events")

MISSING = 30.0  # seconds for which a database without an outbox is left alone
AWAY = 3.0  # and one that cannot be asked whether it has one
LONGEST = 5.0  # seconds that one round may take

_left_alone: dict[str, float] = {}  # databases, and until when


def send_what_waits(**_: Any) -> None:
    """Send outbox events of every database that has some; a receiver of ``signals.housekeeping``.

    Keeps the connections open that it needs every second; its thread closes them in the end.
    """
    began = time.monotonic()
    for alias in outbox_aliases():
        # A database in memory is this process's own, and so are the events that it has spilled there.
        if _left_alone.get(alias, 0.0) > began or _is_in_memory(alias):
            continue
        try:
            relay = Relay(alias)
            while relay.run_once() and time.monotonic() - began < LONGEST:
                pass
        except Error as error:
            connections[alias].close()  # a new one may work
            _left_alone[alias] = time.monotonic() + _pause(alias)
            logger.info("outbox_unusable database=%s error=%r", alias, explain(error))
        except (redis.RedisError, OSError, NotDurableError) as error:
            logger.debug("outbox_waits database=%s error=%r", alias, explain(error))


def _pause(alias: str) -> float:
    """How long to leave a database alone that has failed: not at all if the failure was a passing one."""
    try:
        return 0.0 if has_table(alias) else MISSING
    except Error:
        return AWAY


def _is_in_memory(alias: str) -> bool:
    connection = connections[alias]
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())  # type: ignore[attr-defined]
