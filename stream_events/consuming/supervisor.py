"""Several processes that do the same, started again when they crash."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Sequence

from stream_events.consuming.lifeline import ECHO, Lifeline
from stream_events.consuming.output import Labelled

logger = logging.getLogger("stream_events")

ROLE = "worker"
LAST_LINES = 1.0  # seconds that the output of a worker that has ended is waited for
POLL = 0.1  # seconds
BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before a worker that crashed is started again
HEALTHY = 60.0  # one that ran for so long starts anew in the list above
FINAL = (0, 2, 3, 69, 78)  # exit codes that say: done, or starting me again will not help
HARMLESS = (0, 3)  # and those that are no reason to stop the others


class Supervisor:
    """Runs each of ``commands`` in a process of its own until it has ended for good.

    A worker that crashes is started again, later each time. One that cannot run, because of its configuration,
    ends them all. With ``labels``, one for each command, these stand before every line that the workers print.
    """

    def __init__(self, commands: Sequence[Sequence[str]], labels: Sequence[str] = ()) -> None:
        self._lifeline = Lifeline(ROLE)
        names = labels or [""] * len(commands)
        self._workers = [
            _Worker(number, command, label)
            for number, (command, label) in enumerate(zip(commands, names, strict=True), 1)
        ]
        self._stops = 0
        self._forwarded = 0
        self._forwarded_at = float("-inf")

    def run(self) -> int:
        """Return when every worker has ended: the exit code of the first that was not 0, or 0."""
        try:
            while any(not worker.is_done for worker in self._workers):
                self._forward()
                for worker in self._workers:
                    worker.look(self._lifeline, is_stopping=self._stops > 0)
                if any(worker.is_done and worker.code not in HARMLESS for worker in self._workers):
                    self._stops = max(self._stops, 1)
                time.sleep(POLL)
        finally:
            for worker in self._workers:
                worker.kill()
            self._lifeline.close()
        return next((worker.code for worker in self._workers if worker.code), 0)

    def unfinished(self) -> list[int]:
        """The numbers, from 1 on, of the workers that have not ended for good; any thread may ask."""
        return [worker.number for worker in self._workers if not worker.is_done]

    def stop(self) -> None:
        """Tell the workers to stop; the second time, to stop at once. Safe in a signal handler."""
        self._stops += 1

    def _forward(self) -> None:
        now = time.monotonic()
        # Not too soon after the one before, or the workers would take it for the same.
        if self._forwarded < self._stops and now - self._forwarded_at > ECHO + POLL:
            self._forwarded += 1
            self._forwarded_at = now
            for worker in self._workers:
                worker.terminate()


class _Worker:
    def __init__(self, number: int, command: Sequence[str], label: str) -> None:
        self.number = number
        self.code = 0
        self.is_done = False
        self._command = command
        self._label = label
        self._output: Labelled | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._crashes = 0
        self._started = 0.0
        self._start_at = 0.0

    def look(self, lifeline: Lifeline, *, is_stopping: bool) -> None:
        """Start the process when it is time to, and see whether it has ended."""
        now = time.monotonic()
        if self.is_done:
            return
        if self._process is None:
            if is_stopping:
                self.is_done, self.code = True, 0  # its crash was dealt with
            elif now >= self._start_at:
                self._start(lifeline, now)
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        self._end_output()
        self.code = code if code >= 0 else 128 - code
        if is_stopping and code == -signal.SIGTERM:
            self.code = 0  # it had not come so far as to handle signals
        if is_stopping or self.code in FINAL:
            self.is_done = True
            return
        self._crashes = 0 if now - self._started > HEALTHY else self._crashes
        pause = BACKOFF[min(self._crashes, len(BACKOFF) - 1)]
        self._crashes += 1
        self._start_at = now + pause
        text = "worker_ended worker=%s exit_code=%s: started again in %s s"
        logger.error(text, self._label.rstrip(" |") or self.number, self.code, pause)

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._end_output()

    def _start(self, lifeline: Lifeline, now: float) -> None:
        self._process, self._started = lifeline.start(self._command, piped=bool(self._label)), now
        self._output = Labelled(self._process, self._label) if self._label else None

    def _end_output(self) -> None:
        if self._output:
            self._output.close(LAST_LINES)
