"""Work of which somebody wants to know, from another thread or an event loop, what came of it."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

from stream_events.consuming import database


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
