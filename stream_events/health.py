"""The health file: a process touches it for as long as it gets on, and a probe looks how old it is.

``python -m stream_events.health PATH`` is the probe. It needs nothing but the standard library, so that it may run
every few seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stream_events.arguments import seconds

logger = logging.getLogger("stream_events")

INTERVAL = 1.0  # seconds between two touches
PATIENCE = 20.0  # seconds that a thread may be late before it counts as hung
MAX_AGE = 30.0  # seconds after which the process counts as hung or killed


@contextlib.contextmanager
def beating(path: str | None, is_alive: Callable[[], bool]) -> Iterator[None]:
    """Touch the file at ``path`` every second while ``is_alive()`` says so, and remove it at the end.

    A thread does it. One that cannot write says so in the log, and goes on. Without a path nothing is done.
    """
    if not path:
        yield
        return
    _remove(path)  # one that a killed process has left does not speak for this one
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, is_alive, ended), name="stream_events-health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _remove(path)


def problem(path: str, max_age: float = MAX_AGE) -> str:
    """Why the process that touches ``path`` is not well, or an empty string; ``max_age`` is in seconds."""
    try:
        age = _age(path)
    except FileNotFoundError:
        return f"{path} is missing: the process has not started, or has ended"
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    if age > max_age:
        return f"{path} is {age:.1f} s old, {age - max_age:.1f} s more than it may be: the process hangs or was killed"
    if age < -max_age:
        return f"{path} is from {-age:.0f} s in the future: the clock was set back and nobody has touched it since"
    return ""


def add_health_file(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--health-file`` of a command."""
    parser.add_argument(
        "--health-file",
        type=health_file,
        metavar="PATH",
        help="touch this file every second; python -m stream_events.health PATH says whether all is well",
    )


def health_file(text: str) -> str:
    """The value of a command's ``--health-file``: a path at which a file of ours can be."""
    path = Path(text)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is in no folder that can be written to")
    if path.exists() and (not path.is_file() or path.stat().st_size):
        raise argparse.ArgumentTypeError(f"{text!r} is something else than a health file, which is empty")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Say in one line whether a process is well: 0 if it is, 1 if not."""
    parser = argparse.ArgumentParser(
        prog="python -m stream_events.health",
        description="Says whether the process is well that was started with --health-file PATH.",
        epilog="Exit code 0: it is; 1: it is not, and the line says why.",
    )
    parser.add_argument("path", metavar="PATH")
    parser.add_argument(
        "--max-age",
        type=seconds,
        default=MAX_AGE,
        metavar="SECONDS",
        help="how old the file may be (default: %(default)g)",
    )
    options = parser.parse_args(arguments)
    if trouble := problem(options.path, options.max_age):
        print(f"unhealthy: {trouble}")
        return 1
    print(f"healthy: {options.path} was touched within {options.max_age:g} s")
    return 0


def _beat(path: str, is_alive: Callable[[], bool], ended: threading.Event) -> None:
    pause, is_written = 0.0, True
    while not ended.wait(pause):
        pause = INTERVAL
        if not is_alive():
            continue
        try:
            _touch(path)
        except OSError as error:
            if is_written:
                logger.error("health_file_not_written path=%s error=%s", path, error.strerror)
            is_written = False
        else:
            is_written = True


def _touch(path: str) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:
        open(path, "ab").close()


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)


def _age(path: str) -> float:
    return time.time() - os.stat(path).st_mtime


if __name__ == "__main__":
    sys.exit(main())
