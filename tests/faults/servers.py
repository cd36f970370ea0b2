"""Real servers of several kinds, on a port of their own: started, killed, stopped and started again."""

import os
import shutil
import signal
import socket
import subprocess
from functools import cache
from pathlib import Path

import pytest
import redis

from stream_events import embedded
from tests.conftest import wait_for

# Where .ci/servers puts what no package manager installs.
FOLDER = Path(os.environ.get("TEST_SERVERS", Path.home() / ".cache" / "stream_events" / "servers"))


def _on_path(version):
    found = shutil.which("redis-server")
    return found if found and f"v={version}" in _version(found) else None


@cache
def _version(binary):
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout


def _in_folder(name):
    return str(FOLDER / name) if (FOLDER / name).exists() else None


BINARIES = {
    "valkey-9": lambda: str(embedded.binary()),
    "redis-7.0": lambda: _on_path("7.0"),
    "redis-6.2": lambda: _in_folder("redis-6.2"),
    "redis-8": lambda: _in_folder("redis-8"),
}


def binary(kind):
    """The executable of that kind of server; skips without one, but fails in CI, which has to install it."""
    found = BINARIES[kind]()
    if not found and kind == "redis-8" and not shutil.which("python3.12"):
        pytest.skip("redis-8 is built where Python 3.12 is")
    if not found:
        missing(f"{kind} is not installed; .ci/servers installs it")
    return found


def missing(what):
    """Skip the test, or fail it in CI, which has to install everything first."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server in ``folder``, whose data survive its being killed."""

    def __init__(self, kind, folder, *options):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=20)
        self.process = None
        self._folder = folder
        self._command = [
            *(binary(kind), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
            *options,
        ]

    def start(self):
        self._folder.mkdir(exist_ok=True, parents=True)
        with open(self._folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(self._command, cwd=self._folder, stdout=log, stderr=log)
        wait_for(self._answers, "an answer of the server")
        return self

    def _answers(self):
        try:
            return self.client.ping()
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def lose_everything(self):
        """Be killed, and come back empty."""
        self.kill()
        for path in self._folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".log":
                path.unlink()
        self.start()

    def close(self):
        self.client.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
