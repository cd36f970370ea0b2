"""Looks at five million entries, of which a million are pending: what each of them asks of the server."""

import pytest

from tests.operations.big_stream import commands, filled, looks, slow_commands

MOST = 20_000  # commands of one look: those that compare entries ask for each, until their time is over

pytestmark = pytest.mark.slow


@pytest.fixture
def big(server):
    with filled(server):
        yield server


@pytest.mark.usefixtures("registry")
def test_no_look_keeps_the_server_busy(big):
    asked = looks()
    # Whatever else runs on the machine can make any command slow, but not the same one three times.
    slow = {name: [slow_commands(big, look) for _ in range(3)] for name, look in asked.items()}
    assert {name: found for name, found in slow.items() if all(found)} == {}
    counts = {name: commands(big, look) for name, look in asked.items()}
    assert {name: count for name, count in counts.items() if count > MOST} == {}
    assert counts["pending: first page"] < 200
