"""Entries on their way to Redis: how an event is encoded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from stream_events.conf import settings_for
from stream_events.exceptions import EventEncodeError
from stream_events.publishing.causality import caused

# NaN and Infinity are not JSON: a consumer in another language could not read the event.
_encoder = DjangoJSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _make_encode() -> Callable[[Any], str]:
    """``_encoder.encode``, without what that makes anew for every object where Python has it in C."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    pieces = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(pieces(value, 0))


_encode = _make_encode()


def new_event_id() -> str:
    """A random UUID of version 4, without the objects that ``uuid.uuid4`` makes on the way."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


class NewEntry:
    """An encoded event and the stream it goes to; ``headers`` become fields beside the payload.

    ``subject`` is the type and the key of its object. ``merging`` is the payload itself where later events of the same
    object in the same transaction replace it.
    """

    __slots__ = ("_event_id", "action", "headers", "merging", "payload", "stream", "subject")

    def __init__(
        self,
        stream: str,
        payload: bytes,
        subject: tuple[Any, Any],
        action: Any,
        headers: Mapping[str, str] | None = None,
        event_id: str = "",
    ) -> None:
        self.stream = stream
        self.payload = payload
        self.subject = subject
        self.action = action
        self.headers = headers
        self.merging: dict[str, Any] | None = None
        self._event_id = event_id

    @property
    def event_id(self) -> str:
        """Its own for ever, and not made before it is needed: at the end of a transaction that is quicker."""
        if not self._event_id:
            self._event_id = new_event_id()
        return self._event_id

    @property
    def about(self) -> str:
        """Names the event in logs, where payloads do not belong."""
        return f"{self.subject[0]}:{self.subject[1]} {self.action}"

    @property
    def fields(self) -> list[str | bytes]:
        """Names and values, as XADD takes them."""
        further = [part for header in (self.headers or {}).items() for part in header]
        return ["payload", self.payload, "event_id", self.event_id, *further]


def make_entry(stream: str, payload: Mapping[str, Any]) -> NewEntry:
    """Encode ``payload``; raises ``EventEncodeError`` when JSON cannot carry it or it is too large."""
    encoded = encode(stream, payload)
    subject = payload.get("obj_type"), payload.get("obj_id")
    return NewEntry(stream, encoded, subject, payload.get("action"), caused(stream, payload))


def encode(stream: str, payload: Mapping[str, Any]) -> bytes:
    """``payload`` as JSON; raises as ``make_entry`` does."""
    if not isinstance(payload, Mapping):
        raise EventEncodeError(f"the payload of an event is a dictionary, got {type(payload).__name__}")
    try:
        encoded = _encode(payload).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EventEncodeError(f"event {_about(payload)} of stream {stream}: {error}") from error
    limit = settings_for().max_payload
    if len(encoded) > limit:
        raise EventEncodeError(
            f"event {_about(payload)} of stream {stream}: {len(encoded):,} bytes are more than MAX_PAYLOAD"
            f" ({limit:,}). Publish fewer fields, or a reference to where the data are."
        )
    return encoded


def _about(payload: Mapping[str, Any]) -> str:
    return f"{payload.get('obj_type')}:{payload.get('obj_id')} {payload.get('action')}"
