"""Every page over five million entries, of which a million are pending: what each of them asks of the server."""

from collections import Counter

import pytest

from tests.admin.big_pages import pages
from tests.operations.big_stream import commands, filled, remember, slow_commands

BUDGET = 1000  # entries that a search may look at; with more, the clock says how far it comes
MOST = 4000  # commands of one page then
USUAL = 500  # of one whose filter an index serves

pytestmark = [pytest.mark.slow, pytest.mark.django_db(databases=["default", "other"])]


@pytest.fixture
def big(server, admin, registry):
    registry.register(print, stream="orders", group="billing")
    with filled(server):
        remember(server)
        yield server


def test_no_page_keeps_the_server_busy(big, admin, settings):
    found = pages(admin)
    assert Counter(look().status_code for look in found.values()) == {200: len(found)}
    # Whatever else runs on the machine can make any command slow, but not the same page three times.
    slow = {name: [slow_commands(big, look) for _ in range(3)] for name, look in found.items()}
    assert {name: found for name, found in slow.items() if all(found)} == {}
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"SCAN_BUDGET": BUDGET}}
    counts = {name: commands(big, look) for name, look in found.items()}
    assert {name: count for name, count in counts.items() if count > MOST} == {}
    searching = ("none", "error", "deliveries", "idle", "state", "200")
    usual = {name: count for name, count in counts.items() if not any(word in name for word in searching)}
    assert {name: count for name, count in usual.items() if count > USUAL} == {}
