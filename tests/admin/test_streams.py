"""The page “Streams”."""

import pytest

from stream_events import StreamPublisher

pytestmark = pytest.mark.django_db

URL = "/admin/stream_events/stream/"


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")


def cells(response, stream):
    """The texts of the row of ``stream``, by column."""
    changelist = response.context["cl"]
    row = next(row for row in changelist.result_list if row.id == stream)
    return {name: str(getattr(changelist.model_admin, name)(row)) for name in changelist.list_display}


def test_shows_every_stream_of_the_project(admin):
    response = admin.get(URL)
    assert response.status_code == 200
    assert {row.id for row in response.context["cl"].result_list} >= {"orders", "users", "tracked", "places"}


def test_shows_what_redis_holds(admin, hand_out):
    hand_out(3)
    StreamPublisher("orders").add({"obj_id": 4})
    row = cells(admin.get(URL), "orders")
    assert row["length"] == "4"
    assert "billing" in row["groups"]
    assert ">1<" in row["lag"]
    assert '<a href="/admin/stream_events/pendingentry/?group=orders~billing">3</a>' in row["pending"]
    assert "ago" in row["last_entry"]


def test_says_when_a_stream_does_not_exist_yet(admin):
    row = cells(admin.get(URL), "orders")
    assert "appears with the first event" in row["name"]
    assert "billing (not started yet)" in row["groups"]
    assert row["last_entry"] == "–"


def test_a_group_that_was_never_started_lags_behind_everything(admin):
    StreamPublisher("orders").batch_add([{"obj_id": 1}, {"obj_id": 2}])
    row = cells(admin.get(URL), "orders")
    assert "not started yet" in row["groups"]
    assert ">2<" in row["lag"]


def test_says_when_nothing_reads_a_stream(admin):
    assert "Nothing reads this stream" in cells(admin.get(URL), "users")["groups"]


def test_lag_that_redis_does_not_know_is_unknown_and_not_zero(admin, server, hand_out):
    hand_out(1)
    (entry_id, _) = StreamPublisher("orders").add({"obj_id": 1})
    StreamPublisher("orders").add({"obj_id": 2})
    server.xdel("t:orders", entry_id)
    assert "unknown" in cells(admin.get(URL), "orders")["lag"]


def test_a_key_of_another_type_is_a_row_with_the_reason(admin, server):
    server.set("t:orders", "text")
    assert "holds a string, not a stream" in cells(admin.get(URL), "orders")["name"]


def test_what_a_stream_is_called_is_escaped(admin, registry):
    registry.register(print, stream="<script>alert(1)</script>", group="billing")
    assert "<script>alert" not in admin.get(URL).content.decode()


def test_asks_redis_once_for_all_streams(admin, server):
    admin.get(URL)
    before = server.info("stats")["total_reads_processed"]
    admin.get(URL)
    assert server.info("stats")["total_reads_processed"] - before == 3  # the pipelines of the page, and our question
