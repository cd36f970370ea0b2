"""What other processes print, each line with the name of the one that has printed it."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import IO

STDOUT, STDERR = 1, 2
_LONGEST = 65_536  # bytes; what is longer comes in pieces


class Labelled:
    """Passes on the lines of ``process``, which was started with pipes, to the outputs of this one."""

    def __init__(self, process: subprocess.Popen[bytes], label: str) -> None:
        pipes = ((process.stdout, STDOUT), (process.stderr, STDERR))
        self._threads = [
            threading.Thread(target=_pass_on, args=(pipe, target, label.encode()), daemon=True)
            for pipe, target in pipes
            if pipe is not None
        ]
        for thread in self._threads:
            thread.start()

    def close(self, timeout: float) -> None:
        """Wait for the last lines, ``timeout`` seconds at most: a child of the process may hold on to its outputs."""
        for thread in self._threads:
            thread.join(timeout)


def _pass_on(pipe: IO[bytes], target: int, label: bytes) -> None:
    is_open = True
    with pipe:
        for line in iter(lambda: pipe.readline(_LONGEST), b""):
            try:
                if is_open:
                    _write(target, label + line.removesuffix(b"\n") + b"\n")
            except OSError:
                is_open = False  # nobody reads ours any more; the process must be able to write all the same


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
