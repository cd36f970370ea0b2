"""Servers that requests publish to, and that fail them."""

import json
import socket

import pytest
from django.core.management import call_command
from django.db import connections

from tests.conftest import wait_for
from tests.faults.servers import Server


class Silent:
    """Listens, lets everybody connect, and never says anything."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self._sockets = []
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def attempts(self):
        """How many connections were made so far."""
        while True:
            try:
                self._sockets.append(self._listener.accept()[0])
            except BlockingIOError:
                return len(self._sockets)

    def close(self):
        self.attempts()
        for one in [self._listener, *self._sockets]:
            one.close()


@pytest.fixture
def silent(settings):
    """A server that never answers, and the settings for it."""
    silent = Silent()
    settings.STREAM_EVENTS = {"URL": silent.url, "PUBLISH_TIMEOUT": 0.1}
    yield silent
    silent.close()


@pytest.fixture
def real(settings, tmp_path):
    """A server of one's own, and the settings for it."""
    server = Server("valkey-9", tmp_path / "server").start()
    settings.STREAM_EVENTS = {"URL": server.url, "PUBLISH_TIMEOUT": 0.5}
    yield server
    server.close()


@pytest.fixture
def arrived(real):
    """The fields of the entries in a stream, once there are ``count`` of them."""

    def read(stream, count=0):
        wait_for(lambda: real.client.xlen(stream) >= count, f"{count} entries in {stream}")
        return [{name.decode(): value for name, value in fields.items()} for _, fields in real.client.xrange(stream)]

    return read


@pytest.fixture
def numbers(arrived):
    """The numbers of the orders that have arrived, in the order of their entries."""
    return lambda count=0: [json.loads(one["payload"])["data"]["number"] for one in arrived("orders", count)]


@pytest.fixture
def add_database(django_db_blocker, monkeypatch):
    """Adds databases to those of the settings, for a test that uses none of these."""
    added = []

    def add(alias, options, migrated=True):
        known = connections.configure_settings({"default": {}, alias: options})
        monkeypatch.setitem(connections.settings, alias, known[alias])
        added.append(alias)
        if migrated:
            call_command("migrate", "stream_events", database=alias, verbosity=0)

    with django_db_blocker.unblock():
        yield add
        for alias in added:
            if connections[alias].connection is not None:
                connections[alias].connection.close()  # Django leaves a database in memory open
            del connections[alias]


@pytest.fixture
def upserts():
    """Skips the test where the database cannot be told which conflicts are to become updates."""
    if not connections["default"].features.supports_update_conflicts_with_target:
        pytest.skip("MySQL and MariaDB cannot")
