"""Calls of one callback for entries, several at a time."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from stream_events.clients.entries import texts
from stream_events.clients.membership import Membership
from stream_events.events import Entry

logger = logging.getLogger("stream_events")

Callback = Callable[[str, dict[str, str]], Awaitable[Any] | Any]
Delivered = tuple[str, dict[str, str]]
InThread = Callable[..., Awaitable[Any]]  # calls a function in a thread, to its end even if nobody waits for it

_member: ContextVar[Membership | None] = ContextVar("stream_events_member", default=None)

current_member = _member.get  # whose entry the present task is called for


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """``concurrency`` calls at a time; with ``auto_ack``, an entry whose call returns is acknowledged."""

    concurrency: int
    auto_ack: bool
    retry_after: float  # seconds before an entry whose call raised comes again


class Calls:
    """Calls ``callback`` for the entries that ``member`` has taken, in their order.

    An async context: leaving it waits for the calls that were given, or cancels them if an error or a cancellation is
    the reason; then what was not started, or was cancelled, is handed back. Once ``member`` is stopped nothing is
    started any more.
    """

    def __init__(
        self, member: Membership, callback: Callback | None, options: CallOptions, in_thread: InThread
    ) -> None:
        self._member = member
        self._callback = callback
        self._options = options
        self._in_thread = in_thread
        self._slots = asyncio.Semaphore(options.concurrency)
        self._tasks: set[asyncio.Task[Delivered | None]] = set()
        self._failure: BaseException | None = None  # of a task; what a callback raises is none
        self._unstarted: dict[str, Entry] = {}
        self._running: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._unstarted or self._running:
                await self._in_thread(self._give_up)

    def give(self, entries: Sequence[Entry]) -> list[asyncio.Task[Delivered | None]]:
        """Call for ``entries`` as soon as there is room; the tasks tell what was delivered."""
        self._unstarted.update((entry.entry_id, entry) for entry in entries)
        tasks = [asyncio.create_task(self._deliver(entry)) for entry in entries]
        self._tasks.update(tasks)
        for task in tasks:
            task.add_done_callback(self._done)
        return tasks

    async def room(self) -> None:
        """Return when everything that was given is started, and one call more could be."""
        async with self._slots:  # which serves those that wait in their order
            if self._failure:
                raise self._failure

    def _done(self, task: asyncio.Task[Delivered | None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()

    async def _deliver(self, entry: Entry) -> Delivered | None:
        _member.set(self._member)
        async with self._slots:
            if self._member.is_stopped():
                return None
            del self._unstarted[entry.entry_id]
            self._running.add(entry.entry_id)
            started = await self._in_thread(self._member.start, entry)
            if started is None:
                self._running.discard(entry.entry_id)
                return None
            fields = texts(started)
            await self._call(entry.entry_id, fields)
            return entry.entry_id, fields

    async def _call(self, entry_id: str, fields: dict[str, str]) -> None:
        try:
            if self._callback is not None:
                result = self._callback(entry_id, fields)
                if inspect.isawaitable(result):
                    await result
        except (Exception, asyncio.CancelledError):
            if _is_cancelled():
                raise
            logger.exception(
                "callback_failed stream=%s group=%s entry_id=%s: it comes again in %g s",
                self._member.group.keys.stream,
                self._member.group.name,
                entry_id,
                self._options.retry_after,
            )
            self._running.discard(entry_id)
            await self._in_thread(self._member.nack, entry_id, self._options.retry_after)
        else:
            self._running.discard(entry_id)
            if self._options.auto_ack:
                await self._in_thread(self._member.ack, entry_id)

    def _give_up(self) -> None:
        self._member.hand_back(self._unstarted.values())
        for entry_id in self._running:
            self._member.nack(entry_id, 0.0)


def _is_cancelled() -> bool:
    """Whether the present task is, and not something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
