"""What operations send to Redis, counted."""

import pytest
import redis


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
