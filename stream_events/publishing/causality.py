"""Events that are published while another is handled: they say so, and go round in circles only if that is meant."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from stream_events.cause import Cause, current_cause
from stream_events.events import CAUSATION_ID, CORRELATION_ID

logger = logging.getLogger("stream_events")

KNOWN_LOOPS = 1000  # to be warned of once each; kinds of events come from the wire

_warned: set[tuple[str, str, str]] = set()


def caused(stream: str, payload: Mapping[str, Any]) -> dict[str, str] | None:
    """The headers that name the cause of an event with ``payload``; None where nothing is being handled.

    Warns, once for each kind of event, when the handler that is running would get the new event as well.
    """
    cause = current_cause()
    if cause is None:
        return None
    if _is_loop(cause, stream, payload):
        _warn(cause, payload)
    return {CORRELATION_ID: cause.correlation_id, CAUSATION_ID: cause.event.event_id}


def _is_loop(cause: Cause, stream: str, payload: Mapping[str, Any]) -> bool:
    event, handler = cause.event, cause.handler
    if handler.allow_loop or stream != event.stream:
        return False
    kind = payload.get("obj_type"), payload.get("action")
    is_same_object = (kind[0], str(payload.get("obj_id"))) == (event.obj_type, str(event.obj_id))
    return is_same_object and handler.matches(str(kind[0]), str(kind[1]))


def _warn(cause: Cause, payload: Mapping[str, Any]) -> None:
    kind = (cause.handler.name, cause.event.obj_type, str(payload.get("action")))
    if kind in _warned or len(_warned) >= KNOWN_LOOPS:
        return
    _warned.add(kind)
    logger.warning(
        "event_loop stream=%s group=%s handler=%s obj_type=%s action=%s: the handler publishes the object that it"
        " handles to the stream that it reads, and gets that event as well. Limit its actions=, write with"
        " suppress(%r), or register it with allow_loop=True.",
        cause.event.stream,
        cause.event.group,
        *kind,
        cause.event.stream,
    )
