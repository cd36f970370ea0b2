"""Restarts a consumer when code changes, without losing what it has in hand.

Django's own reloader ends the process wherever it is. Here the child, which has the code loaded, watches it; on
a change it finishes the running entry, hands back the rest and exits with ``RELOAD``; the parent starts it again.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import sleep, time

from django.utils import autoreload

from stream_events.consuming.lifeline import Lifeline, plays, when_parent_is_gone
from stream_events.posix_signals import signals_given_to

RELOAD = 86  # the child's exit code for “start me again”
_ROLE = "reloaded"
_POLL = 1.0
_BROKEN = (1, 78)  # how a child ends whose code does not load, or whose registrations are wrong


def is_child() -> bool:
    return plays(_ROLE)


def run_children() -> int:
    """Run this command in child processes, one after the other; returns the last one's exit code.

    A child that fails after a reload, because the code is broken at the moment, is started again when a file
    changes. SIGINT and SIGTERM go to the child.
    """
    lifeline = Lifeline(_ROLE)
    reloaded = False
    while True:
        started = time()
        child = lifeline.start(autoreload.get_child_arguments())
        # As SIGTERM, whichever it was: a terminal's Ctrl-C has reached the child as SIGINT already.
        with signals_given_to(lambda number: child.terminate()):  # noqa: B023 - used before the next round
            code = child.wait()
        if code == RELOAD:
            reloaded = True
        elif reloaded and code in _BROKEN:
            _wait_for_change(started)
        else:
            lifeline.close()
            if code < 0:
                sys.stderr.write(f"The consumer was ended by signal {-code}.\n")
            return code if code >= 0 else 128 - code


def watch(stop: Callable[[], None]) -> Callable[[], bool]:
    """Call ``stop`` when a file of the project changes or the parent has died.

    Returns a function that says whether a file changed.
    """
    changed = threading.Event()
    files = autoreload.StatReloader()
    known = dict(files.snapshot_files())  # here, so that no change is missed once the command says that it runs

    def watch_files() -> None:
        while all(saved <= known.setdefault(path, saved) for path, saved in files.snapshot_files()):
            sleep(_POLL)
        changed.set()
        stop()

    threading.Thread(target=watch_files, name="stream_events-watch_files", daemon=True).start()
    when_parent_is_gone(stop)
    return changed.is_set


def _wait_for_change(since: float) -> None:
    sys.stderr.write("The consumer does not start with the code as it is; waiting for a file to change.\n")
    while not any(saved > since for _, saved in autoreload.StatReloader().snapshot_files()):
        sleep(_POLL)
