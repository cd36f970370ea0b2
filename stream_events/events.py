"""What an application says happened, and what Redis stored of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from stream_events.exceptions import EventDecodeError

if TYPE_CHECKING:
    from django.db.models import Model

PAYLOAD = b"payload"
EVENT_ID = "event_id"
OCCURRED_AT = "occurred_at"
CORRELATION_ID = "correlation_id"  # of the first event of a chain of causes
CAUSATION_ID = "causation_id"  # the event that was handled when this one was published
REQUEUED_ENTRY_ID = "requeued_entry_id"  # of an entry that was a dead letter: its first id,
REQUEUED_HANDLER = "requeued_handler"  # and the handler that it is for
DEAD_FIELDS = b"dead_fields"  # the fields of an entry that had more than one command can take


class Entry(NamedTuple):
    """One entry as Redis stored it; ``fields`` are undecoded, and empty while they are still to be fetched."""

    entry_id: str
    fields: dict[bytes, bytes]
    delivery_count: int = 1
    is_new: bool = True  # read for the first time, not claimed from somebody
    is_suspect: bool = False  # taken from a consumer that died: it may have been the reason
    was_only_read: bool = False  # and nobody knows whether it was started there

    @property
    def starts(self) -> int:
        """How often the entry is known to have been started.

        Redis counts the first read as well, so that a start which ends the process counts; what was read by a
        process that then died gets the benefit of the doubt, once.
        """
        return self.delivery_count - self.was_only_read


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as a handler gets it; ``payload`` is shared between handlers and meant to be read only.

    ``group`` is empty for a handler that was registered with ``group=None``.
    ``headers`` are the entry's fields beside ``payload``. ``delivery_count`` is which start of the handler this is,
    1 for the first.
    """

    stream: str
    group: str
    entry_id: str
    payload: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery_count: int = 1

    @classmethod
    def from_entry(cls, entry: Entry, *, stream: str, group: str) -> Event:
        """The event in ``entry``; raises ``EventDecodeError`` when there is none."""
        try:
            raw = entry.fields[PAYLOAD]
        except KeyError:
            raise EventDecodeError(f"entry {entry.entry_id} has no field “payload”") from None
        headers = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in entry.fields.items()
            if name != PAYLOAD
        }
        return cls(
            stream=stream,
            group=group,
            entry_id=headers.get(REQUEUED_ENTRY_ID, entry.entry_id),
            payload=decode_payload(raw, entry.entry_id),
            headers=headers,
            delivery_count=entry.starts,
        )

    @property
    def event_id(self) -> str:
        """Stays the same when the event is published again; made from the entry id when it carries none."""
        return self.headers.get(EVENT_ID) or f"{self.stream}/{self.entry_id}"

    @property
    def obj_id(self) -> Any:
        return self.payload.get("obj_id")

    @property
    def obj_type(self) -> str:
        """``app_label.model_name`` of the object, or an empty string."""
        return self._text("obj_type")

    @property
    def action(self) -> str:
        """``create``, ``update``, ``delete``, another verb, or an empty string."""
        return self._text("action")

    @property
    def data(self) -> Mapping[str, Any]:
        return self.payload.get("data") or {}

    @property
    def changed(self) -> list[str] | None:
        """Names of the fields that were saved, where the publisher knew them."""
        return self.payload.get("changed")

    @property
    def previous(self) -> Mapping[str, Any] | None:
        return self.payload.get("previous")

    @property
    def version(self) -> Any:
        return self.payload.get("version")

    @property
    def occurred_at(self) -> datetime:
        """When it happened: as the publisher said, else when Redis took the entry. Always aware, UTC."""
        stated = self.headers.get(OCCURRED_AT)
        if stated:
            try:
                moment = datetime.fromisoformat(stated)
            except ValueError:
                return entry_time(self.entry_id)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return entry_time(self.entry_id)

    def _text(self, key: str) -> str:
        value = self.payload.get(key)
        return value if isinstance(value, str) else ""

    def get_object(self) -> Model | None:
        """The model instance as it is in the database now, or None when there is no such row or model.

        Reads the database that writes go to, because a replica may not have the row yet, and past the model's own
        managers, which may hide it.
        """
        from django.apps import apps
        from django.core.exceptions import ValidationError
        from django.db import router
        from django.db.models import QuerySet

        try:
            model = apps.get_model(self.obj_type)
            rows: QuerySet[Model] = QuerySet(model).using(router.db_for_write(model)).filter(pk=self.obj_id)
        except (LookupError, TypeError, ValueError, ValidationError):
            return None  # not a model of this project, or not a key that it could have
        return rows.first()


def decode_payload(raw: bytes, entry_id: str) -> dict[str, Any]:
    """The JSON object in ``raw``; raises ``EventDecodeError`` naming ``entry_id``."""
    try:
        payload = json.loads(raw.decode())
    except ValueError as error:
        raise EventDecodeError(f"entry {entry_id}: the payload is not JSON: {error}") from error
    except RecursionError as error:
        raise EventDecodeError(f"entry {entry_id}: the payload is nested too deeply") from error
    if not isinstance(payload, dict):
        raise EventDecodeError(f"entry {entry_id}: the payload is not a JSON object")
    return payload


def unpack_fields(packed: bytes) -> dict[bytes, bytes]:
    """The fields of an entry that had more than one command can take: each with its length."""
    values = []
    at = 0
    while at < len(packed):
        colon = packed.index(b":", at)
        end = colon + 1 + int(packed[at:colon])
        values.append(packed[colon + 1 : end])
        at = end
    return dict(zip(values[::2], values[1::2], strict=True))


def entry_time(entry_id: str) -> datetime:
    """The moment in ``entry_id``, whose first part is Redis's clock in milliseconds.

    An id written by hand may lie beyond the calendar; it gets the calendar's last moment.
    """
    try:
        return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.max.replace(tzinfo=UTC)
