"""What Redis holds, in every reply shape of the client."""

from datetime import timedelta

import pytest

from stream_events import StreamPublisher
from stream_events.operations.inspection import group_state, pending_page, server_version, stream_states
from tests.consuming.test_group import SHAPES

KEY = "t:orders"


@pytest.fixture(params=SHAPES, ids=str)
def _shape(request, settings, registry, server):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": request.param}


@pytest.mark.usefixtures("_shape")
class TestInEveryReplyShape:
    def test_a_stream_has_its_length_its_last_entry_and_its_groups(self, server):
        StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(3)])
        server.xgroup_create(KEY, "billing", id="0")
        server.xreadgroup("billing", "one", {KEY: ">"}, count=2)
        (state,) = stream_states(["orders"])
        assert (state.exists, state.length, state.problem) == (True, 3, "")
        assert state.last_entry_at.year >= 2026
        (group,) = state.groups
        assert (group.name, group.pending, group.lag, group.exists) == ("billing", 2, 1, True)

    def test_a_pending_page_has_its_entries_and_where_the_next_begins(self, server):
        ids, _ = StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(3)])
        server.xgroup_create(KEY, "billing", id="0")
        server.xreadgroup("billing", "one", {KEY: ">"})
        page = pending_page("orders", "billing", size=2)
        assert (page.total, page.after) == (3, ids[1])
        first = page.entries[0]
        assert (first.entry_id, first.consumer, first.delivery_count) == (ids[0], "one", 1)
        assert first.payload == '{"obj_id":0}'
        assert first.idle < timedelta(minutes=1)
        assert pending_page("orders", "billing", after=ids[1], size=2).after is None

    def test_what_is_not_there_is_empty(self, server):
        assert not stream_states(["nothing"])[0].exists
        assert not group_state("orders", "billing").exists
        assert pending_page("orders", "billing").entries == ()

    def test_the_server_says_what_it_is(self):
        name, version = server_version().split()
        assert name in ("redis", "valkey")
        assert version[0].isdigit()
