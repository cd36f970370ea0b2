"""Entries are appended to their streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from stream_events.conf import Settings, get_settings
from stream_events.connections import publishing_line
from stream_events.exceptions import NotDurableError
from stream_events.keys import stream_key
from stream_events.line import Line
from stream_events.publishing.breaker import breaker
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.recovery import recovery

AT_A_TIME = 500  # entries in one script, which no other client can interrupt
LONGEST_WAIT = 2000  # milliseconds; replicas tell of their files every second

_SETTINGS = {"WAIT": "WAIT_REPLICAS", "WAITAOF": "WAIT_AOF"}  # which want these commands

_IN_ORDER = (Path(__file__).parent / "append.lua").read_text()

recovery.add(breaker.probe)


class RequestLine:
    """The line of requests, which is not tried while Redis is known not to answer."""

    __slots__ = ()

    @property
    def timeout(self) -> float:
        return get_settings().publish_timeout

    def converse(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        breaker.check()
        try:
            replies = publishing_line().converse(commands)
        except (redis.RedisError, OSError) as error:
            breaker.trip(error)
            recovery.start()
            raise
        if breaker.is_open:
            breaker.close()
        return replies


_requests = RequestLine()


def append(
    entries: Sequence[NewEntry], line: Line | RequestLine = _requests, settings: Settings | None = None
) -> list[str | redis.ResponseError]:
    """Append ``entries``, each on its own; for each the entry id that Redis gave it, or why it was refused.

    Raises what the line raises when Redis cannot be reached: then nobody knows which entries arrived. Raises
    ``NotDurableError`` when too few replicas or files have confirmed them.
    """
    settings = settings or get_settings()
    replies = _converse(line, [_xadd(entry, settings) for entry in entries], settings)
    return [reply.decode() if isinstance(reply, bytes) else reply for reply in replies]


def append_in_order(
    entries: Sequence[NewEntry], line: Line | RequestLine = _requests
) -> list[tuple[NewEntry, redis.ResponseError]]:
    """Append ``entries``; returns those that were not, with the reason.

    Of one stream they are appended in order, up to the first that is refused. Raises as ``append`` does.
    """
    settings = get_settings()
    if len(entries) == 1:
        reply = _converse(line, [_xadd(entries[0], settings)], settings)[0]
        return [(entries[0], reply)] if isinstance(reply, redis.ResponseError) else []
    refused: list[tuple[NewEntry, redis.ResponseError]] = []
    waiting: dict[str, list[NewEntry]] = {}
    for entry in entries:
        waiting.setdefault(entry.stream, []).append(entry)
    while waiting:
        now = [some[:AT_A_TIME] for some in waiting.values()]
        replies = _converse(line, [_command(some, settings) for some in now], settings)
        for some, reply in zip(now, replies, strict=True):
            appended, reason = _outcome(reply, len(some))
            stream = some[0].stream
            rest = waiting.pop(stream)[appended:]
            if reason:
                refused += [(entry, reason) for entry in rest]
            elif rest:
                waiting[stream] = rest
    return refused


def _command(entries: list[NewEntry], settings: Settings) -> list[Any]:
    """One command for all of ``entries``, which are of one stream."""
    if len(entries) == 1:
        return _xadd(entries[0], settings)
    command: list[Any] = ["EVAL", _IN_ORDER, 1, stream_key(entries[0].stream, settings.key_prefix)]
    for entry in entries:
        if entry.headers:
            further = [part for header in entry.headers.items() for part in header]
            command += (entry.payload, entry.event_id, len(further), *further)
        else:
            command += (entry.payload, entry.event_id, 0)
    return command


def _xadd(entry: NewEntry, settings: Settings) -> list[Any]:
    return ["XADD", stream_key(entry.stream, settings.key_prefix), "*", *entry.fields]


def _outcome(reply: Any, count: int) -> tuple[int, redis.ResponseError | None]:
    """How many entries were appended, and why not all of them."""
    if isinstance(reply, redis.ResponseError):
        return 0, reply
    if isinstance(reply, bytes):
        return count, None
    appended, *reasons = reply
    return appended, redis.ResponseError(reasons[0].decode()) if reasons else None


def _converse(line: Line | RequestLine, commands: list[list[Any]], settings: Settings) -> list[Any]:
    """Send ``commands``, and have them confirmed where that is wanted."""
    if not (settings.wait_aof or settings.wait_replicas):
        return line.converse(commands) if commands else []
    waits = _waits(settings, line.timeout)
    for wait in waits:
        _check(wait, line.converse([wait])[0])  # what cannot be confirmed is not even sent
    replies = line.converse([*commands, *waits]) if commands else []
    for wait in reversed(waits):
        _check(wait, replies.pop())
    return replies


def _waits(settings: Settings, patience: float) -> list[list[Any]]:
    waits: list[list[Any]] = []
    if settings.wait_aof:
        waits.append(["WAITAOF", 1, settings.wait_aof - 1])
    if settings.wait_replicas:
        waits.append(["WAIT", settings.wait_replicas])
    # The server has to have answered all of them before the line's patience is at its end; 0 would be for ever.
    milliseconds = max(int(min(patience * 750, LONGEST_WAIT) / len(waits)), 1)
    return [[*wait, milliseconds] for wait in waits]


def _check(wait: list[Any], reply: Any) -> None:
    if isinstance(reply, redis.ResponseError):
        raise NotDurableError(f"{wait[0]} is refused: {reply}; without {_SETTINGS[wait[0]]} it is not sent")
    wanted = wait[1:-1]
    confirmed = reply if isinstance(reply, list) else [reply]
    if any(have < want for have, want in zip(confirmed, wanted, strict=True)):
        raise NotDurableError(
            f"{wait[0]}: wanted {wanted}, confirmed {confirmed} in {wait[-1]} ms; see PUBLISH_TIMEOUT and"
            f" {_SETTINGS[wait[0]]}"
        )
