"""Restarts a consumer when code changes, without losing what it has in hand.

Django's own reloader ends the process wherever it is. Here the child, which has the code loaded, watches it; on
a change it finishes the running entry, hands back the rest and exits with ``RELOAD``; the parent starts it again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.utils import autoreload

RELOAD = 86  # the child's exit code for “start me again”
_LIFELINE = "STREAM_EVENTS_RELOADER"  # the number of a pipe that closes when the parent dies
_POLL = 1.0


def is_child() -> bool:
    return _LIFELINE in os.environ


def run_child_forever() -> int:
    """Run this command in child processes, one after the other; returns the last one's exit code.

    A child that fails after a reload, because the code is broken at the moment, is started again when a file
    changes. Signals go to the child.
    """
    reading, writing = os.pipe()
    environment = {**os.environ, _LIFELINE: str(reading)}
    reloaded = False
    while True:
        started = time.time()
        child = subprocess.Popen(  # noqa: S603
            autoreload.get_child_arguments(), env=environment, pass_fds=[reading]
        )
        with _signals_go_to(child):
            code = child.wait()
        if code == RELOAD:
            reloaded = True
        elif reloaded and code > 0 and code != 130:
            _wait_for_change(started)
        else:
            os.close(writing)
            return code if code >= 0 else 128 - code


def watch(stop: Callable[[], None]) -> Callable[[], bool]:
    """Call ``stop`` when a file of the project changes or the parent has died; returns what tells the first."""
    changed = threading.Event()

    def watch_files() -> None:
        try:
            autoreload.get_reloader().run(threading.main_thread())
        except SystemExit:  # how Django's reloader says that a file changed
            changed.set()
            stop()

    def watch_parent() -> None:
        os.read(int(os.environ[_LIFELINE]), 1)
        stop()

    for target in (watch_files, watch_parent):
        threading.Thread(target=target, name=f"stream_events-{target.__name__}", daemon=True).start()
    return changed.is_set


class _signals_go_to:
    """Hands SIGINT and SIGTERM to ``child``, both as SIGTERM: a terminal sends it SIGINT without our help."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._forward) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._child.terminate()


def _wait_for_change(since: float) -> None:
    sys.stderr.write("The consumer does not start with the code as it is; waiting for a file to change.\n")
    while not any(changed > since for _, changed in autoreload.StatReloader().snapshot_files()):
        time.sleep(_POLL)
