"""What a process does in the background after Redis has failed, until everything is as it should be."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from itertools import chain, repeat

from django.db import connections

from stream_events.locks import ForkSafeLock

logger = logging.getLogger("stream_events")

PAUSES = (0.25, 0.5, 1.0)  # seconds between attempts; the last one is repeated

Job = Callable[[], bool]


class Recovery:
    """Runs its jobs in a thread, one after the other and again and again, until all of them say that they are done.

    One that is not done, or fails, keeps those behind it from running in this round.
    """

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lock = ForkSafeLock()
        self._process = 0  # in which the thread runs
        self._is_wanted = False

    def add(self, job: Job) -> None:
        self._jobs.append(job)

    def start(self) -> None:
        """See to it that the thread runs, if it can."""
        with self._lock:
            self._is_wanted = True
            if self._process == os.getpid():
                return
            self._process = os.getpid()
        try:
            threading.Thread(target=self._run, name="stream_events-recovery", daemon=True).start()
        except RuntimeError as error:  # there are too many threads, or the interpreter is ending
            self._process = 0
            logger.warning("recovery_not_started error=%r: it is left to others", str(error))

    def _run(self) -> None:
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            time.sleep(pause)
            with self._lock:
                self._is_wanted = False
            if not self._is_done():
                continue
            with self._lock:
                if not self._is_wanted:
                    self._process = 0
                    return

    def _is_done(self) -> bool:
        try:
            return self._do()
        except Exception as error:  # noqa: BLE001 - whatever it is, events wait to be sent
            logger.warning("recovery_failed error=%r: it is tried again", f"{type(error).__name__}: {error}")
            return False

    def _do(self) -> bool:
        try:
            return all(job() for job in self._jobs)
        finally:
            connections.close_all()


recovery = Recovery()
