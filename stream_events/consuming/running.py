"""Work of which somebody wants to know, from another thread or an event loop, what came of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from stream_events.consuming import database

T = TypeVar("T")


class Running(threading.Thread):
    """Does ``work`` in a thread of its own; ``future`` gets its result or its error.

    A daemon: the program ends without waiting for it.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._work = work

    def run(self) -> None:
        try:
            self.do()
        finally:
            database.leave()

    def do(self) -> None:
        """Do the work in the calling thread."""
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 - whoever asks the future gets it
            self.abandon(error)
        else:
            if not self.future.done():
                self.future.set_result(result)

    def abandon(self, error: BaseException) -> None:
        """Let whoever waits have ``error``, although the work may go on."""
        if not self.future.done():
            self.future.set_exception(error)


async def finished(ended: asyncio.Future[T], stop: Callable[[], object]) -> T:
    """What ``ended`` brings; if the task that awaits this is cancelled, ``stop`` is called and the end waited for."""
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([ended])
        ended.exception()  # or asyncio would complain that nobody has asked for it
        raise
