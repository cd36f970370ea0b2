"""Servers that can be hurt."""

import pytest

from tests.faults.proxy import Proxy
from tests.faults.servers import Server

OTHERS = ["redis-7.0", "redis-6.2", "redis-8"]


@pytest.fixture(params=["valkey-9", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)])
def real(request, tmp_path):
    """A server of one's own, which can be killed and started again."""
    server = Server(request.param, tmp_path / "server").start()
    yield server
    server.close()


@pytest.fixture
def proxy(real):
    """A proxy before that server."""
    proxy = Proxy(real.port)
    yield proxy
    proxy.close()
