"""Programs that run until they are told to stop: once means soon, twice means now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import NoReturn

from stream_events.consuming.lifeline import ECHO, has_parent
from stream_events.posix_signals import signals_given_to


def stop_on_signals(
    stop: Callable[[], object], at_once: Callable[[], object]
) -> contextlib.AbstractContextManager[None]:
    """Call ``stop`` at the first SIGINT or SIGTERM, and ``at_once`` at the second."""
    first: float | None = None

    def receive(number: int) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            stop()
        # A child gets what was meant for all twice: directly, and from its parent.
        elif not has_parent() or now - first > ECHO:
            at_once()

    return signals_given_to(receive)


def interrupt() -> NoReturn:
    raise KeyboardInterrupt
