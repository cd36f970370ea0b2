"""What operations send to Redis: counted, or with replies that get lost."""

from dataclasses import replace

import pytest
import redis

from stream_events.connections import inspecting_client
from stream_events.operations.acts import counting
from tests.faults.proxy import Proxy


@pytest.fixture(autouse=True)
def _time_to_count(monkeypatch):
    """A busy machine counts as far as any other."""
    monkeypatch.setattr(counting, "BUDGET", replace(counting.BUDGET, seconds=60))


@pytest.fixture
def trips(monkeypatch):
    """The round trips so far, each as the bytes that were sent; a pipeline is one."""
    sent = []
    original = redis.connection.AbstractConnection.send_packed_command

    def send(self, command, *arguments, **options):
        sent.append(b"".join(command) if isinstance(command, list) else command)
        return original(self, command, *arguments, **options)

    monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", send)
    return sent


@pytest.fixture
def proxy(settings, server):
    """A proxy before the server, through which operations go."""
    proxy = Proxy(server.connection_pool.connection_kwargs["path"])
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "URL": f"redis://127.0.0.1:{proxy.port}/0"}
    yield proxy
    inspecting_client().close()
    proxy.close()
