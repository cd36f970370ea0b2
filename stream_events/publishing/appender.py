"""Appending to a stream by hand: at once, outside any transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis
from asgiref.sync import sync_to_async

from stream_events.conf import Settings, get_settings
from stream_events.connections import explain, publishing_client
from stream_events.events import PAYLOAD, decode_payload
from stream_events.exceptions import EventDecodeError, EventEncodeError, StreamEventsError
from stream_events.keys import stream_key
from stream_events.publishing.appending import append
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import NewEntry, make_entry
from stream_events.publishing.suppression import is_suppressed

logger = logging.getLogger("stream_events")

_FAILURES = (redis.RedisError, OSError, StreamEventsError)  # what can come of encoding and sending an entry


class Appender:
    """The verbs of a publisher that act on its stream at once."""

    stream: str

    def add(
        self, payload: Mapping[str, Any], raise_error: bool = True, id_key: str = "obj_id"
    ) -> tuple[str | None, Any]:
        """Append ``payload`` now, outside any transaction; returns (entry id, the value under ``id_key``).

        With ``raise_error=False`` a failure is logged and gives the entry id None. Otherwise raises
        ``EventEncodeError``, ``NotDurableError``, or what the Redis client raised. Where the stream is suppressed
        nothing is sent, and the entry id is None.
        """
        obj_id = _obj_id(payload, id_key)
        if is_suppressed(self.stream):
            return None, obj_id
        try:
            reply = self._append([make_entry(self.stream, payload)])[0]
            if not isinstance(reply, str):
                raise reply
        except _FAILURES as error:
            if raise_error:
                raise
            self._log_failure(obj_id, error)
            return None, obj_id
        outcomes.add("published")
        return reply, obj_id

    async def aadd(
        self, payload: Mapping[str, Any], raise_error: bool = True, id_key: str = "obj_id"
    ) -> tuple[str | None, Any]:
        """``add`` for async code."""
        return await sync_to_async(self.add, thread_sensitive=False)(payload, raise_error, id_key)

    def batch_add(self, payloads: Iterable[Mapping[str, Any]], id_key: str = "obj_id") -> tuple[list[str], list[Any]]:
        """Append ``payloads`` now, in one pipeline; returns (entry ids, values under ``id_key`` that failed).

        A payload that cannot be encoded or that Redis refuses fails alone, and when Redis cannot be reached all of
        them fail. Every failure is logged. Where the stream is suppressed nothing is sent and both lists are empty.
        Raises only ``ConfigurationError``.
        """
        if is_suppressed(self.stream):
            return [], []
        ready: list[tuple[Any, NewEntry]] = []
        failed: list[Any] = []
        for payload in payloads:
            obj_id = _obj_id(payload, id_key)
            try:
                ready.append((obj_id, make_entry(self.stream, payload)))
            except EventEncodeError as error:
                self._log_failure(obj_id, error)
                failed.append(obj_id)
        replies: Sequence[str | Exception]
        try:
            replies = self._append([entry for _, entry in ready]) if ready else []
        except _FAILURES as error:
            replies = [error] * len(ready)
        added = []
        for (obj_id, _), reply in zip(ready, replies, strict=True):
            if isinstance(reply, str):
                added.append(reply)
            else:
                self._log_failure(obj_id, reply)
                failed.append(obj_id)
        outcomes.add("published", len(added))
        return added, failed

    async def abatch_add(
        self, payloads: Iterable[Mapping[str, Any]], id_key: str = "obj_id"
    ) -> tuple[list[str], list[Any]]:
        """``batch_add`` for async code."""
        return await sync_to_async(self.batch_add, thread_sensitive=False)(payloads, id_key)

    def delete(self, entry_id: str) -> dict[str, int]:
        """Delete one entry from the stream; the value is 1, or 0 when there was none."""
        return {entry_id: int(self._client().xdel(self._key, entry_id))}

    def get_list(self, msg_count: int = 10) -> dict[str, dict[str, Any]]:
        """The oldest ``msg_count`` entries: id and payload, which is empty where it cannot be decoded."""
        found = {}
        reply: Any = self._client().xrange(self._key, count=msg_count)
        for raw_id, fields in reply:
            entry_id = raw_id.decode()
            try:
                found[entry_id] = decode_payload(fields.get(PAYLOAD, b""), entry_id)
            except EventDecodeError:
                found[entry_id] = {}
        return found

    @property
    def _key(self) -> str:
        return stream_key(self.stream, self._settings().key_prefix)

    def _settings(self) -> Settings:
        return get_settings()

    def _client(self) -> redis.Redis:
        return publishing_client()

    def _append(self, entries: Sequence[NewEntry]) -> list[str | redis.ResponseError]:
        return append(entries)

    def _log_failure(self, obj_id: Any, error: Exception) -> None:
        outcomes.add("rejected" if isinstance(error, EventEncodeError) else "lost")
        logger.error("event_not_published stream=%s obj_id=%r error=%r", self.stream, obj_id, explain(error))


def _obj_id(payload: object, id_key: str) -> Any:
    return payload.get(id_key) if isinstance(payload, Mapping) else None
