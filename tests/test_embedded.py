"""The embedded server, shared by real processes that come, go and are killed."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from stream_events import embedded
from stream_events.embedded import EmbeddedConnection, EmbeddedServer
from stream_events.exceptions import EmbeddedServerError
from tests.conftest import wait_for

USER = """
import sys, redis
from pathlib import Path
from stream_events.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.ensure_running()
client = redis.Redis(unix_socket_path=str(server.socket))
client.incr("users")
print(client.info("server")["process_id"], flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server until its standard input closes."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", USER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def server_pid(self):
        return int(self.process.stdout.readline())

    def end(self):
        self.process.communicate(timeout=30)
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "server"
    yield path
    server = EmbeddedServer(path)
    server.release()
    wait_for(lambda: not server.socket.exists(), "the end of the server")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_of(folder):
    """The keeper and the server of ``folder``: both run in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink() == folder and is_alive(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_eight_processes_that_start_at_once_share_one_server(folder):
    users = [User(folder) for _ in range(8)]
    pids = {user.server_pid() for user in users}
    with redis.Redis(unix_socket_path=str(EmbeddedServer(folder).socket)) as client:
        assert client.get("users") == b"8"
    assert [user.end() for user in users] == [0] * 8
    (pid,) = pids
    wait_for(lambda: not is_alive(pid), "the end of the server")


def test_ends_when_the_last_user_was_killed(folder):
    first, second = User(folder), User(folder)
    pid = first.server_pid()
    second.server_pid()
    first.kill()
    third = User(folder)
    assert third.server_pid() == pid
    second.kill()
    third.kill()
    wait_for(lambda: not is_alive(pid), "the end of the server")
    wait_for(lambda: not processes_of(folder), "the end of the keeper")


def test_keeps_what_was_written(folder):
    for _ in range(3):
        user = User(folder)
        user.server_pid()
        user.kill()
    server = EmbeddedServer(folder)
    server.ensure_running()
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        assert client.get("users") == b"3"


def test_comes_back_with_its_data_when_it_crashes(folder):
    server = EmbeddedServer(folder)
    server.ensure_running()
    with redis.Redis(unix_socket_path=str(server.socket), retry=None) as client:
        client.set("kept", "yes")
        pid = client.info("server")["process_id"]
        wait_for(lambda: client.info("server")["uptime_in_seconds"] >= 2, "a server that is not in a crash loop")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: _answers(server), "another server")
        assert client.get("kept") == b"yes"


WRITER = """
import sys
from pathlib import Path
from redis import ConnectionPool, ConnectionError, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from stream_events.embedded import EmbeddedConnection
pool = ConnectionPool(connection_class=EmbeddedConnection, folder=Path(sys.argv[1]), retry=Retry(NoBackoff(), 0))
client, written = Redis(connection_pool=pool), 0
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    try:
        client.xadd("orders", {"payload": "{}"})
        written += 1
    except ConnectionError:
        pass
print(written)
"""


@pytest.mark.slow
def test_a_server_that_crashes_under_load_stays_one_server_and_loses_nothing(folder, tmp_path):
    stop = tmp_path / "stop"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, folder, stop], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for writer in writers:
        writer.stdout.readline()
    server = EmbeddedServer(folder)
    server.ensure_running()
    with redis.Redis(unix_socket_path=str(server.socket), retry=None) as client:
        for _ in range(3):
            pid = wait_for(lambda: _pid_after_a_while(client), "a server that is not in a crash loop")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: _answers(server), "another server")
        wait_for(lambda: len(processes_of(folder)) == 2, "one keeper and one server")
        stop.touch()
        written = sum(int(writer.communicate(timeout=30)[0]) for writer in writers)
        assert written > 100
        # A reply that was lost with the server leaves an entry more than its writer knows of.
        assert written <= client.xlen("orders") <= written + 3 * len(writers)


def _pid_after_a_while(client):
    try:
        info = client.info("server")
    except redis.ConnectionError:
        return None
    return info["process_id"] if info["uptime_in_seconds"] >= 2 else None


def test_a_folder_that_was_deleted_under_a_running_process_is_made_again(folder):
    server = EmbeddedServer(folder)
    server.ensure_running()
    shutil.rmtree(folder)
    server.ensure_running()
    assert _answers(server)
    other = User(folder)
    pid = other.server_pid()
    other.kill()
    assert is_alive(pid)
    assert _answers(server)


def test_a_folder_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match="cannot be made"):
        EmbeddedServer(tmp_path / "file" / "folder").ensure_running()


def test_is_started_again_when_its_keeper_was_killed(folder):
    server = EmbeddedServer(folder)
    server.ensure_running()
    keeper = next(pid for pid in processes_of(folder) if b"keeper.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(keeper, signal.SIGKILL)
    # Not “it answers no more”, nor “there is no process”: the socket on which it listens goes last, with its threads.
    wait_for(lambda: not server._listens(), "the end of the server")
    server.ensure_running()
    assert _answers(server)


def _answers(server):
    try:
        with redis.Redis(unix_socket_path=str(server.socket), retry=None) as client:
            return client.ping()
    except redis.ConnectionError:
        return False


def test_threads_of_one_process_start_it_once(folder):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: EmbeddedServer(folder).ensure_running(), range(8)))
    assert len(processes_of(folder)) == 2


def test_a_forked_child_does_not_take_the_server_with_it(folder):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys, time\nfrom pathlib import Path\nfrom stream_events.embedded import EmbeddedServer\n"
            "server = EmbeddedServer(Path(sys.argv[1])); server.ensure_running()\n"
            "pid = os.fork()\n"
            "if not pid: sys.exit()\n"
            "os.waitpid(pid, 0); time.sleep(0.5)  # a keeper that thought so would have stopped it by now\n"
            "sys.exit(0 if server._listens() else 1)\n",
            str(folder),
        ],
        check=False,
    )
    assert done.returncode == 0


def test_the_folder_is_private_and_stays_out_of_version_control(folder):
    EmbeddedServer(folder).ensure_running()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert EmbeddedServer(folder).socket.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_folder_that_others_can_read_is_refused(tmp_path):
    tmp_path.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="chmod 700"):
        EmbeddedServer(tmp_path).ensure_running()


@pytest.fixture
def deep(tmp_path):
    """A folder whose path is too long for a socket."""
    path = tmp_path.joinpath(*["quite_a_long_name"] * 8)
    yield path
    server = EmbeddedServer(path)
    server.release()
    wait_for(lambda: not server.socket.exists(), "the end of the server")


def client_of(folder):
    pool = redis.ConnectionPool(connection_class=EmbeddedConnection, folder=folder)
    return redis.Redis(connection_pool=pool)


def test_a_deep_folder_works_as_well(deep):
    with client_of(deep) as client:
        client.set("kept", "yes")
    with client_of(deep) as client:
        assert client.get("kept") == b"yes"


def test_a_deep_folder_that_was_deleted_loses_nothing_of_what_comes_after(deep):
    with client_of(deep) as client:
        client.set("before", "1")
    shutil.rmtree(deep)
    with client_of(deep) as client:
        client.set("after", "1")
        wait_for(lambda: len(processes_of(deep)) == 2, "one keeper and one server")
        assert client.get("after") == b"1"


def test_a_linked_folder_is_the_same_folder(folder, tmp_path):
    EmbeddedServer(folder).ensure_running()
    (tmp_path / "link").symlink_to(folder)
    EmbeddedServer(tmp_path / "link").ensure_running()
    assert len(processes_of(folder)) == 2


def test_a_server_that_does_not_start_says_why(folder):
    folder.mkdir(mode=0o700)
    (folder / "appendonlydir").mkdir()
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(EmbeddedServerError, match=r"did not start: .*manifest"):
        EmbeddedServer(folder).ensure_running()
    with pytest.raises(redis.ConnectionError, match="did not start"):
        client_of(folder).ping()


def test_windows_and_musl_are_told_to_set_a_url(monkeypatch):
    monkeypatch.setattr(embedded, "_is_musl", lambda: True)
    with pytest.raises(EmbeddedServerError, match="REDIS_URL"):
        embedded.binary()
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedServerError, match="REDIS_URL"):
        embedded.binary()


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedServerError, match=r"stream_events\[embedded\]"):
        embedded.binary()
