"""The process that keeps the embedded server for as long as any process of the project uses it.

It runs as a script of its own, ``keeper.py BINARY SOCKET``, in the data folder, and imports nothing but the
standard library. Users of the server hold a shared lock on ``users.lock``. The keeper waits for the exclusive
lock on it, which the kernel grants when the last user has ended, however it ended; then it stops the server.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time

START_TIMEOUT = 60.0  # seconds; a large append-only file takes a while to load
STOP_TIMEOUT = 10.0
CRASH_LOOP = 1.0  # a server that lived shorter than this is not started again
PR_SET_PDEATHSIG = 1
KEEPER = os.getpid()
libc = ctypes.CDLL(None)


class Server:
    """The server process, started again when it crashes."""

    def __init__(self, binary: str, path: str) -> None:
        self.path = path
        self.command = [
            *(binary, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700"),
            # With “everysec” the server postpones writes while it syncs, and loses them when it is killed.
            *("--appendonly", "yes", "--appendfsync", "no", "--save", "", "--maxmemory-policy", "noeviction"),
            *("--logfile", "server.log"),
        ]

    def start(self) -> None:
        self._remove_socket()
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603
            self.command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent
        )

    def wait_until_ready(self) -> bool:
        while time.monotonic() - self.started < START_TIMEOUT:
            if ask(self.path, "PING").startswith(b"+PONG"):
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        return False

    def restart_after_crash(self, *_: object) -> None:
        if self.process.poll() is None:
            return
        if time.monotonic() - self.started < CRASH_LOOP:
            sys.exit(1)
        self.start()

    def stop(self) -> None:
        """End the server in good order, and leave no socket behind."""
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._remove_socket()

    def _remove_socket(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def ask(path: str, command: str) -> bytes:
    """The first bytes of the server's answer, or nothing when no server listens at ``path``."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(path)
        connection.sendall(f"*1\r\n${len(command)}\r\n{command}\r\n".encode())
        return connection.recv(64)
    return b""


def _die_with_parent() -> None:
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != KEEPER:  # it died before it could take the server with it
            os._exit(1)


def become_keeper(path: str) -> bool:
    """Hold the lock of the one keeper there may be; False when another one has its server running."""
    descriptor = os.open("keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        # Its server crashed, and it is starting it again: two servers would write to the same file.
        if ask(path, "PING").startswith(b"+PONG"):
            return False
        time.sleep(0.01)
    sys.exit(1)


def say_ready() -> None:
    with contextlib.suppress(BrokenPipeError):  # who started us may be gone; others may use the server
        os.write(1, b"ready\n")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main(binary: str, path: str) -> int:
    """Start the server, say ``ready`` on standard output, and stop it when the last user has gone."""
    if not become_keeper(path):
        say_ready()
        return 0
    ask(path, "SHUTDOWN")  # a server left behind by a keeper that was killed (not on Linux, see above)
    server = Server(binary, path)
    server.start()
    if not server.wait_until_ready():
        server.stop()
        return 1
    say_ready()
    signal.signal(signal.SIGCHLD, server.restart_after_crash)
    server.restart_after_crash()
    with open("users.lock", "rb") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
