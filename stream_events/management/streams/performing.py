"""An order on its way: slice after slice, at a pace, until it is done or somebody stops it."""

from __future__ import annotations

import base64
import binascii
import getpass
import os
import socket
import zlib

from stream_events.exceptions import ConfigurationError, SelectionError
from stream_events.management.progress import Advance
from stream_events.operations.plans import Actor, Limit, Progress, perform
from stream_events.publishing.throttle import Throttle

BATCH = 1000  # entries in one slice


class Performing:
    """Performs an order from where ``progress`` is, ``rate`` entries a second, ``limit`` of them at most."""

    def __init__(self, progress: Progress, *, limit: int | None, rate: float | None, batch: int) -> None:
        self.progress = progress
        self._before = progress.done
        self._limit = limit
        # A whole second's worth, since each slice leaves a line in the audit.
        self._slice = batch if rate is None else max(1, min(batch, int(rate)))
        self._throttle = Throttle(rate)
        self._is_stopped = False

    def stop(self) -> None:
        """End after the slice that is being done."""
        self._is_stopped = True

    @property
    def has_reached_limit(self) -> bool:
        return self._room() == 0

    def run(self, advance: Advance) -> None:
        """Go on until it is complete, stopped or at its limit, and tell ``advance`` of each slice."""
        actor = operator()
        while not self.progress.is_complete and self._room():
            self._throttle.wait(lambda: self._is_stopped)
            if self._is_stopped:
                return
            before = self.progress
            self.progress = perform(before, actor, Limit(rows=min(self._slice, self._room())))
            self._throttle.passed(self.progress.done + self.progress.skipped - before.done - before.skipped)
            note = f"{self.progress.skipped:,} skipped" if self.progress.skipped else ""
            # A filter may end before it has seen all: there is nothing left to see then.
            total = self.progress.scanned if self.progress.is_complete else self.progress.total
            advance(self.progress.scanned - before.scanned, total=total, note=note)

    def _room(self) -> int:
        """How many more may be done."""
        if self._limit is None:
            return self._slice
        return max(0, self._limit - (self.progress.done - self._before))


def operator() -> Actor:
    """Who sits at this machine's command line."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in containers, a user may have no name
        user = str(os.getuid())
    return Actor(name=f"{user}@{socket.gethostname()}", via="command line")


def token(progress: Progress) -> str:
    """``progress`` as one word for the command line; no secret, since everything in it is looked at again."""
    return base64.urlsafe_b64encode(zlib.compress(progress.dump().encode(), 9)).decode().rstrip("=")


def resumed(text: str) -> Progress:
    """The progress that ``token`` made ``text`` of; raises ``SelectionError`` for anything else."""
    try:
        packed = base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", altchars=b"-_", validate=True)
        return Progress.load(zlib.decompress(packed).decode())
    except (binascii.Error, zlib.error, ValueError, ConfigurationError) as error:
        raise SelectionError("The value of --resume is none that a command has printed; copy it whole.") from error
