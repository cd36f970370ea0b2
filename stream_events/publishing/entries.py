"""Entries on their way to Redis."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import redis
from django.core.serializers.json import DjangoJSONEncoder

from stream_events.conf import get_settings
from stream_events.connections import publishing_client
from stream_events.events import EVENT_ID, PAYLOAD
from stream_events.exceptions import EventEncodeError, StreamEventsError
from stream_events.keys import stream_key

FAILURES = (redis.RedisError, OSError, StreamEventsError)  # what can come of encoding and sending an entry

# NaN and Infinity are not JSON: a consumer in another language could not read the event.
_encode = DjangoJSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


class NewEntry(NamedTuple):
    """An encoded event and the stream it goes to; ``about`` names it in logs, where payloads do not belong."""

    stream: str
    payload: bytes
    event_id: str
    about: str


def make_entry(stream: str, payload: Mapping[str, Any]) -> NewEntry:
    """Encode ``payload``; raises ``EventEncodeError`` when JSON cannot carry it or it is too large."""
    if not isinstance(payload, Mapping):
        raise EventEncodeError(f"the payload of an event is a dictionary, got {type(payload).__name__}")
    about = f"{payload.get('obj_type')}:{payload.get('obj_id')} {payload.get('action')}"
    try:
        encoded = _encode(payload).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EventEncodeError(f"event {about} of stream {stream}: {error}") from error
    limit = get_settings().max_payload
    if len(encoded) > limit:
        raise EventEncodeError(
            f"event {about} of stream {stream}: {len(encoded):,} bytes are more than MAX_PAYLOAD ({limit:,})."
            " Publish fewer fields, or a reference to where the data are."
        )
    return NewEntry(stream, encoded, str(uuid.uuid4()), about)


def append(entries: Sequence[NewEntry]) -> list[str | redis.ResponseError]:
    """Send ``entries`` in one pipeline; for each the entry id that Redis gave it, or why it was refused.

    Raises what the client raises when Redis cannot be reached: then nobody knows which entries arrived.
    """
    prefix = get_settings().key_prefix
    pipeline = publishing_client().pipeline(transaction=False)
    for entry in entries:
        pipeline.xadd(stream_key(entry.stream, prefix), {PAYLOAD: entry.payload, EVENT_ID: entry.event_id})
    return [reply.decode() if isinstance(reply, bytes) else reply for reply in pipeline.execute(raise_on_error=False)]
