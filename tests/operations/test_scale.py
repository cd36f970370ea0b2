"""Looks at five million entries, of which a million are pending: what each of them asks of the server."""

import pytest

from tests.operations.big_stream import build, looks

SLOWEST = 20_000  # microseconds that one command may take
MOST = 4000  # commands of one look; those that compare a thousand entries ask for each

pytestmark = pytest.mark.slow


@pytest.fixture
def big(server):
    """The server with that stream; it keeps no file of it, and is as it was afterwards."""
    before = {name: server.config_get(name)[name] for name in ("appendonly", "slowlog-log-slower-than")}
    server.config_set("appendonly", "no")
    server.config_set("slowlog-log-slower-than", -1)
    build(server)
    server.config_set("slowlog-log-slower-than", SLOWEST)
    yield server
    server.flushall()
    for name, value in before.items():
        server.config_set(name, value)


def slow_commands(server, look):
    server.slowlog_reset()
    look()
    return [one["command"] for one in server.slowlog_get(-1)]


def commands(server, look):
    server.config_resetstat()
    look()
    return sum(one["calls"] for one in server.info("commandstats").values())


@pytest.mark.usefixtures("registry")
def test_no_look_keeps_the_server_busy(big):
    asked = looks()
    # Whatever else runs on the machine can make any command slow, but not the same one three times.
    slow = {name: [slow_commands(big, look) for _ in range(3)] for name, look in asked.items()}
    assert {name: found for name, found in slow.items() if all(found)} == {}
    counts = {name: commands(big, look) for name, look in asked.items()}
    assert {name: count for name, count in counts.items() if count > MOST} == {}
    assert counts["pending: first page"] < 200
