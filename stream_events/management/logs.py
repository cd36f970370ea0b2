"""What a command shows of the package's log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

LEVELS = {0: logging.ERROR, 1: logging.INFO, 2: logging.INFO, 3: logging.DEBUG}


@contextlib.contextmanager
def logging_to(stream: Any, verbosity: int) -> Iterator[None]:
    """Show the package's log where the project has not set up any logging."""
    logger = logging.getLogger("stream_events")
    if logger.hasHandlers():
        yield
        return
    # The stream itself, not Django's wrapper of it, which would colour every line as an error.
    handler = logging.StreamHandler(getattr(stream, "_out", stream))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(LEVELS[verbosity])
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
