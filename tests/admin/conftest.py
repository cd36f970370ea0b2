from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Permission, User
from redis.connection import AbstractConnection

from stream_events import StreamPublisher
from tests.operations.acting import make_group, publish, read


@pytest.fixture
def admin(client, django_user_model, server):
    client.force_login(django_user_model.objects.create_superuser("root"))
    server.flushall()
    return client


@pytest.fixture
def staff(client, server):
    """Signs in a staff user who may do nothing but ``permissions``."""

    def sign_in(*permissions):
        user = User.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def hand_out(server):
    """Publishes ``count`` orders and hands them to a consumer that does nothing with them."""

    def run(count, stream="orders", group="billing", consumer="consumer-1"):
        key = f"t:{stream}"
        ids, _ = StreamPublisher(stream).batch_add([{"obj_id": number} for number in range(count)])
        server.xgroup_create(key, group, id="0", mkstream=True)
        server.xreadgroup(group, consumer, {key: ">"})
        return ids

    return run


@pytest.fixture
def round_trips(monkeypatch):
    """Gathers what is sent to Redis while the block runs: a pipeline is sent at once."""

    @contextmanager
    def gather():
        sent = []
        send = AbstractConnection.send_packed_command

        def count(self, command, *args, **kwargs):
            sent.append(command)
            return send(self, command, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(AbstractConnection, "send_packed_command", count)
            yield sent

    return gather


@pytest.fixture
def held(admin, server, registry):
    """The ids of three entries that the consumer web-1 holds."""
    registry.register(print, stream="orders", group="billing")
    publish(3)
    make_group(server)
    return read(server)
