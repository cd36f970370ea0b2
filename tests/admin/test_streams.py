"""The page “Streams”."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from stream_events import StreamPublisher
from stream_events.operations import discovery
from stream_events.operations.history import take_sample

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


def names(response):
    return [row.id for row in response.context["cl"].result_list]


def text(response):
    """What a page says, with its white space as a browser shows it."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode())))


class TestRows:
    def test_are_the_streams_of_the_project(self, admin):
        response = admin.get(URL)
        assert response.status_code == 200
        assert set(names(response)) >= {"orders", "users", "tracked", "places"}

    def test_show_what_redis_holds(self, admin, hand_out):
        hand_out(3)
        StreamPublisher("orders").add({"obj_id": 4})
        row = cells(admin.get(URL), "orders")
        assert row["length"] == "4"
        assert '<a href="/admin/stream_events/consumergroup/orders~billing/change/">' in row["groups"]
        assert re.search(r"<b>1 · \d+ s</b>", row["groups"])
        assert '<a href="/admin/stream_events/pendingentry/?group=orders~billing">' in row["oldest_pending"]
        assert "ago" in row["last_entry"]

    def test_say_when_a_stream_does_not_exist_yet(self, admin):
        row = cells(admin.get(URL), "orders")
        assert "Not created yet – appears with the first event." in row["name"]
        assert "Not started yet" in row["groups"]
        assert row["last_entry"] == "–"

    def test_say_how_to_begin_where_nothing_reads(self, admin):
        row = cells(admin.get(URL), "users")
        assert "Nothing reads this stream." in row["groups"]
        assert "python manage.py runconsumer users GROUP" in row["groups"]

    def test_a_lag_that_redis_does_not_know_is_unknown_and_not_zero(self, admin, server, hand_out):
        hand_out(1)
        (entry_id, _) = StreamPublisher("orders").add({"obj_id": 1})
        StreamPublisher("orders").add({"obj_id": 2})
        server.xdel("t:orders", entry_id)
        assert "<b>unknown" in cells(admin.get(URL), "orders")["groups"]

    def test_a_key_of_another_type_is_a_row_with_the_reason(self, admin, server):
        server.set("t:orders", "text")
        row = cells(admin.get(URL), "orders")
        assert "The key holds a string, not a stream." in row["name"]
        assert row["length"] == "–"
        assert "broken" in row["health"]

    def test_escape_what_a_stream_is_called(self, admin, registry):
        registry.register(print, stream="<script>alert(1)</script>", group="billing")
        assert "<script>alert" not in admin.get(URL).content.decode()

    def test_a_group_without_a_consumer_is_stalled_and_says_who_was_seen_last(self, admin, server, hand_out):
        hand_out(1, consumer="worker-3")
        seconds, _ = server.time()
        server.zadd("{t:orders}:billing:consumers", {"worker-3": (seconds - 7200) * 1000})
        row = cells(admin.get(URL), "orders")
        assert "■" in row["health"]
        assert "stalled" in row["health"]
        assert "Nobody is consuming. Last seen worker-3," in row["groups"]

    def test_dead_letters_are_counted_by_group(self, admin, server, registry, hand_out):
        registry.register(print, stream="orders", group="care")
        hand_out(1)
        server.xadd("{t:orders}:billing:dead", {"payload": "{}"})
        assert "billing 1" in cells(admin.get(URL), "orders")["dead_letters"]

    def test_new_entries_are_counted_once_there_is_history(self, admin, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}
        assert cells(admin.get(URL), "orders")["incoming"] == "–"
        now = datetime.now(UTC)
        for minutes in (2, 1):
            StreamPublisher("orders").batch_add([{"obj_id": 1}] * 3)
            take_sample(now - timedelta(minutes=minutes))
        row = cells(admin.get(URL), "orders")
        assert '<span class="se-rate">3</span>' in row["incoming"]
        assert "<svg" in row["incoming"]

    def test_whoever_looks_takes_the_sample_of_the_minute(self, admin, server, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}
        StreamPublisher("orders").add({"obj_id": 1})
        admin.get(URL)
        assert server.keys("*stats*")

    def test_what_needs_somebody_is_first(self, admin, server, hand_out):
        hand_out(1)
        server.set("t:users", "text")
        server.zadd("{t:orders}:billing:consumers", {"consumer-1": 1})
        assert names(admin.get(URL))[:2] == ["users", "orders"]

    def test_are_paged(self, admin, registry):
        for number in range(60):
            registry.register(print, stream=f"many-{number:02}", group="g")
        first = admin.get(URL, {"q": "many"})
        assert len(names(first)) == 50
        second = admin.get(f"{URL}{first.context['cl'].paging.next}")
        assert len({*names(first), *names(second)}) == 60
        assert second.context["cl"].paging.previous == "?q=many"


class TestFilters:
    def test_by_health(self, admin, server):
        server.set("t:users", "text")
        assert names(admin.get(URL, {"health": "broken"})) == ["users"]

    def test_by_dead_letters(self, admin, server, hand_out):
        hand_out(1)
        server.xadd("{t:orders}:billing:dead", {"payload": "{}"})
        assert names(admin.get(URL, {"dead": "yes"})) == ["orders"]
        assert "orders" not in names(admin.get(URL, {"dead": "no"}))

    def test_by_a_part_of_the_name(self, admin):
        assert names(admin.get(URL, {"q": "RDER"})) == ["orders"]

    def test_what_finds_nothing_says_so(self, admin):
        page = text(admin.get(URL, {"q": "nothing like that"}))
        assert "No stream is like that." in page
        assert "No streams yet" not in page

    @pytest.mark.parametrize("parameter", ["zzz", "o", "p", "all", "_facets", "after", "trail", "health__x"])
    def test_parameters_of_other_lists_break_nothing(self, admin, parameter):
        assert "orders" in names(admin.get(URL, {parameter: "1", "q": "orders", "size": "7"})) or parameter == "after"


class TestOverview:
    def test_says_how_the_server_fares(self, admin):
        page = text(admin.get(URL))
        assert re.search(r"Server (redis|valkey) \d", page)
        assert re.search(r"Memory [\d.]+", page)
        assert re.search(r"Latency [\d<]", page)

    def test_says_nothing_when_all_is_well(self, admin):
        assert "se-troubles" not in admin.get(URL).content.decode()

    def test_what_is_wrong_is_a_link_to_where(self, admin, server, hand_out):
        hand_out(1)
        server.zadd("{t:orders}:billing:consumers", {"consumer-1": 1})
        server.set("t:users", "text")
        page = admin.get(URL).content.decode()
        assert '<a href="/admin/stream_events/consumergroup/?health=stalled">1 group stalled</a>' in page
        assert '<a href="/admin/stream_events/stream/?health=broken">1 stream broken</a>' in page

    def test_dead_letters_are_counted(self, admin, server, hand_out):
        hand_out(1)
        for _ in range(37):
            server.xadd("{t:orders}:billing:dead", {"payload": "{}"})
        assert "37 dead letters" in admin.get(URL).content.decode()


def test_without_any_stream_it_says_how_to_begin(admin, registry, monkeypatch):
    monkeypatch.setattr(registry, "_handlers", {})
    monkeypatch.setattr(discovery, "publishers", [])
    page = text(admin.get(URL))
    assert "No streams yet. Declare one in code or publish an event." in page
    assert "StreamPublisher(" in page
    assert "Traceback" not in page


@pytest.mark.parametrize("after", ["", "0", "5-0", "x"])
def test_finds_streams_that_nobody_declared(admin, server, after):
    server.xadd("t:foreign", {"a": "b"})
    response = admin.get(URL, {"discover": "1", "after": after})
    assert names(response) == ["foreign"]
    assert "Not declared by this project." in cells(response, "foreign")["name"]
    assert "1 stream found that this project does not declare. Those are all." in text(response)


def test_asks_redis_a_fixed_number_of_times(admin, round_trips, registry):
    admin.get(URL)
    with round_trips() as few:
        admin.get(URL)
    for number in range(40):
        registry.register(print, stream=f"more-{number}", group="g")
    with round_trips() as many:
        admin.get(URL)
    assert len(few) == len(many) <= 8


def test_publishing_is_not_offered_where_nothing_may_be_changed(admin, settings):
    assert "Publish test event" in text(admin.get("/admin/stream_events/stream/"))
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
    assert "Publish test event" not in text(admin.get("/admin/stream_events/stream/"))
