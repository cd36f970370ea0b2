"""Something that runs once, in the calling thread or in one of its own, until it is told to stop."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from typing import Any, Protocol, Self

from stream_events.cause import current_cause
from stream_events.consuming.running import Running
from stream_events.registration import Handler

logger = logging.getLogger("stream_events")

LAST_STEPS = 1.0  # seconds that a thread is given to end after its work; one whose handler was given up does not end


class Runner(Protocol):
    """What does the work: a consumer, with a group or without one."""

    stream: str
    name: str
    handlers: tuple[Handler, ...]

    def run(self) -> object: ...
    def stop(self) -> None: ...
    def is_alive(self) -> bool: ...


class Runnable:
    """Runs ``runner`` once. As a context manager, it runs in a thread of its own for as long as the block lasts."""

    def __init__(self, runner: Runner, running: Running) -> None:
        self._runner = runner
        self._running = running
        self._running.name = f"stream_events-{runner.name}"
        self._begun = self._in_thread = False
        self._caller: int | None = None  # the thread that is in ``run``, or whose event loop awaits it

    def __enter__(self) -> Self:
        self.start_in_thread()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def run(self) -> None:
        """Handle events in the calling thread until ``stop`` is called; raises what has ended it otherwise."""
        self._begin()
        self._running.do()
        self._running.future.result()

    def start_in_thread(self) -> threading.Thread:
        """Handle events in a thread, which is returned and has been started.

        A daemon: the program ends without waiting for it. Call ``stop`` before, to have it finish what it handles.
        """
        self._begin()
        self._caller, self._in_thread = None, True
        self._running.future.add_done_callback(self._log_error)
        self._running.start()
        return self._running

    def stop(self, timeout: float | None = None) -> bool:
        """Finish what is being handled, and wait until that is done, ``timeout`` seconds at most.

        True when it has ended. Where it was started with ``start_in_thread``, raises what has ended its thread. May be
        called from any thread. It does not wait where that would be for ever: in a handler of this consumer, in the
        thread that is in ``run`` (a signal handler), and on the event loop that awaits it. A signal handler of a
        program in which it runs in a thread gives a ``timeout`` of 0: the thread may need what the signal interrupted.
        """
        self._runner.stop()
        future = self._running.future
        is_elsewhere = self._begun and not self._is_called_from_within()
        if is_elsewhere:
            concurrent.futures.wait([future], timeout)
        if self._in_thread and future.done():
            if is_elsewhere:
                self._running.join(LAST_STEPS)
            future.result()
        return future.done() or not self._begun

    def is_alive(self) -> bool:
        """Whether it runs and gets on, or waits for Redis, for a database, or for a handler within its time limit."""
        return self._begun and not self._running.future.done() and self._runner.is_alive()

    def _begin(self) -> None:
        if self._begun:
            raise RuntimeError("It has run before, and runs once; make another one.")
        self._begun = True
        self._caller = threading.get_ident()

    def _is_called_from_within(self) -> bool:
        cause = current_cause()
        is_handler = cause is not None and any(cause.handler is one for one in self._runner.handlers)
        return is_handler or threading.get_ident() in (self._caller, self._running.ident)

    def _log_error(self, future: concurrent.futures.Future[Any]) -> None:
        if error := future.exception():
            logger.error("consumer_died stream=%s", self._runner.stream, exc_info=error)
