"""Processes of this program that end when the one that started them does, whatever ended it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

ECHO = 1.0  # seconds in which a signal and the one that the parent passes on are the same wish

_LIFELINE = "STREAM_EVENTS_LIFELINE"  # the role of this process, and the number of a pipe that closes with its parent

_role, _, _pipe = os.environ.pop(_LIFELINE, "").partition(":")  # not for processes that handlers start


class Lifeline:
    """Held by a parent; its children, which play ``role``, notice when it is gone."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._reading, self._writing = os.pipe()

    def start(self, command: Sequence[str], *, piped: bool = False) -> subprocess.Popen[bytes]:
        """Start ``command``; with ``piped``, what it prints goes to pipes, line by line."""
        environment = {**os.environ, _LIFELINE: f"{self._role}:{self._reading}"}
        outputs: dict[str, Any] = {}
        if piped:
            environment["PYTHONUNBUFFERED"] = "1"
            outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=environment, pass_fds=[self._reading], **outputs)  # noqa: S603

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)


def plays(role: str) -> bool:
    """Whether a parent has started this process for ``role``."""
    return _role == role


def has_parent() -> bool:
    """Whether this process was started with a lifeline: signals to the terminal's group reach it twice."""
    return bool(_pipe)


def when_parent_is_gone(action: Callable[[], object]) -> None:
    """Call ``action``, from another thread, when the process is gone that started this one with a lifeline."""
    if not _pipe:
        return

    def wait() -> None:
        os.read(int(_pipe), 1)
        action()

    threading.Thread(target=wait, name="stream_events-lifeline", daemon=True).start()
