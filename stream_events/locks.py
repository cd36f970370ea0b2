"""A lock between the threads of one process."""

from __future__ import annotations

import os
import threading


class ForkSafeLock:
    """A lock that is free in a forked child, whatever another thread of the parent held while it forked.

    Meant for modules: it lasts as long as the process.
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()
