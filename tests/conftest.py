"""Fixtures: the embedded server, a registry of one's own, and a project of its own for real processes."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.test.utils import setup_databases, teardown_databases

from stream_events.embedded import EmbeddedServer
from stream_events.publishing.breaker import breaker
from stream_events.publishing.recovery import recovery
from stream_events.publishing.spill import spilled
from stream_events.registry import handlers

ROOT = Path(__file__).parent.parent


def wait_for(condition, what="the condition", timeout=30.0):
    """The first true answer of ``condition``, asked again and again."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about within {timeout} s")


def make_redis(url):
    """A plain client, as anybody would make it."""
    return redis.Redis(unix_socket_path=str(embedded(url).socket))


def embedded(url):
    return EmbeddedServer(Path(url.removeprefix("embedded://")))


def has_ended(server):
    """Whether the embedded server has: it writes to its log after its socket is gone, and its keeper ends last."""
    with open(server.folder / "keeper.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_modify_db_settings, django_db_blocker):
    """All databases; pytest-django makes those that its own marks name, but not everybody uses these."""
    with django_db_blocker.unblock():
        config = setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        teardown_databases(config, verbosity=0)


@pytest.fixture(scope="session")
def _server():
    server = EmbeddedServer(Path(settings.EMBEDDED_FOLDER))
    server.ensure_running()
    yield server
    server.release()
    wait_for(lambda: has_ended(server), "the end of the embedded server")
    shutil.rmtree(settings.EMBEDDED_FOLDER)


@pytest.fixture
def server(_server):
    """A plain Redis client on the embedded server, which is empty."""
    with redis.Redis(unix_socket_path=str(_server.socket)) as client:
        client.flushall()
        yield client


@pytest.fixture
def entries(server):
    """The payloads in a stream, oldest first."""

    def read(stream):
        return [json.loads(fields[b"payload"]) for _, fields in server.xrange(f"t:{stream}")]

    return read


@pytest.fixture
def registry(monkeypatch):
    """The registry that consumers use, empty."""
    monkeypatch.setattr(handlers, "_handlers", {})
    monkeypatch.setattr(handlers, "problems", [])
    return handlers


class Project:
    """The demo project with a database and an embedded server of its own, driven from outside."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.url = f"embedded://{folder / 'embedded'}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_project.settings",
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "REDIS_URL": self.url,
            "PYTHONWARNINGS": "error",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.processes = []

    def start(self, *command, **options):
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            **{
                "cwd": ROOT,
                "env": self.environment,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.STDOUT,
                "text": True,
                **options,
            },
        )
        self.processes.append(process)
        return process

    def run(self, *command, timeout=60):
        process = self.start(*command)
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output

    def shell(self, code):
        returncode, output = self.run("shell", "--verbosity", "0", "-c", code)
        assert returncode == 0, output
        return output

    def redis(self):
        embedded(self.url).ensure_running()
        return make_redis(self.url)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        embedded(self.url).release()


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("migrated"))
    assert project.run("migrate", "--verbosity", "0")[0] == 0
    return project.folder / "db.sqlite3"


@pytest.fixture
def project(tmp_path, _migrated):
    """The demo project in a folder of its own, migrated."""
    shutil.copy(_migrated, tmp_path / "db.sqlite3")
    project = Project(tmp_path)
    yield project
    project.close()
    wait_for(lambda: not embedded(project.url).socket.exists(), "the end of the project's server")


@pytest.fixture(autouse=True)
def _what_failed_is_forgotten():
    """Leaves no open breaker, nothing spilled and no thread of the recovery to the next test."""
    yield

    def is_over():
        spilled._streams.clear()
        breaker._reset()
        return recovery._process != os.getpid()

    wait_for(is_over, "the end of the recovery")
