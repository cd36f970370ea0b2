"""The page “Consumer groups”, and that of one group."""

import re

import pytest

from stream_events import StreamPublisher
from tests.admin.test_streams import text

pytestmark = pytest.mark.django_db

URL = "/admin/stream_events/consumergroup/"
BILLING = f"{URL}orders~billing/change/"


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")
    registry.register(print, stream="parcels", group="mail")


def names(response):
    return [row.id for row in response.context["cl"].result_list]


def cells(response, name):
    changelist = response.context["cl"]
    row = next(row for row in changelist.result_list if row.id == name)
    return {one: str(getattr(changelist.model_admin, one)(row)) for one in changelist.list_display}


@pytest.fixture
def let_die(server):
    """Lets the lease of a consumer run out."""

    def run(consumer, age=7200):
        seconds, _ = server.time()
        server.zadd("{t:orders}:billing:consumers", {consumer: (seconds - age) * 1000})

    return run


class TestList:
    def test_shows_the_groups_of_all_streams(self, admin):
        assert names(admin.get(URL)) == ["orders~billing", "parcels~mail"]

    def test_those_that_are_late_come_first(self, admin, hand_out):
        hand_out(1, stream="parcels", group="mail")
        StreamPublisher("parcels").add({"obj_id": 1})
        assert names(admin.get(URL)) == ["parcels~mail", "orders~billing"]

    def test_shows_what_redis_knows_of_one(self, admin, server, hand_out):
        hand_out(3)
        seconds, _ = server.time()
        server.zadd("{t:orders}:billing:consumers", {"consumer-1": (seconds + 30) * 1000})
        StreamPublisher("orders").add({"obj_id": 1})
        row = cells(admin.get(URL), "orders~billing")
        assert '<a href="/admin/stream_events/stream/orders/change/">orders</a>' in row["stream"]
        assert row["lag_entries"] == "1"
        assert row["lag_time"].endswith("s")
        assert '<a href="/admin/stream_events/pendingentry/?group=orders~billing">3</a>' in row["pending"]
        assert '<a href="/admin/stream_events/consumer/?group=orders~billing">1/1</a>' in row["consumers"]
        assert "ago" in row["oldest_pending"]
        assert row["handled"] == "–"

    def test_says_who_was_seen_last_where_nobody_consumes(self, admin, hand_out, let_die):
        hand_out(1, consumer="worker-3")
        let_die("worker-3")
        row = cells(admin.get(URL), "orders~billing")
        assert "stalled" in row["health"]
        assert "Nobody is consuming. Last seen worker-3," in row["name"]

    def test_a_lag_that_redis_does_not_know_is_unknown_and_not_zero(self, admin, server, hand_out):
        hand_out(1)
        (entry_id, _) = StreamPublisher("orders").add({"obj_id": 1})
        StreamPublisher("orders").add({"obj_id": 2})
        server.xdel("t:orders", entry_id)
        row = cells(admin.get(URL), "orders~billing")
        assert row["lag_entries"].startswith("unknown")
        assert "Redis reports it again once the group catches up" in row["lag_entries"]

    def test_the_lag_in_a_key_of_another_type_is_unknown(self, admin, server):
        server.set("t:orders", "text")
        row = cells(admin.get(URL), "orders~billing")
        assert row["lag_entries"].startswith("unknown")
        assert row["lag_time"] == "unknown"

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"health": "stalled"}, ["orders~billing"]),
            ({"health": "idle"}, ["parcels~mail"]),
            ({"running": "no"}, ["orders~billing", "parcels~mail"]),
            ({"running": "yes"}, []),
            ({"lag": "1"}, ["orders~billing"]),
            ({"lag": "100"}, []),
            ({"lag": "unknown"}, []),
            ({"lag": "many"}, ["orders~billing", "parcels~mail"]),
            ({"q": "MAI"}, ["parcels~mail"]),
        ],
        ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
    )
    def test_filters(self, admin, hand_out, let_die, query, found):
        hand_out(1)
        let_die("consumer-1")
        StreamPublisher("orders").add({"obj_id": 1})
        assert names(admin.get(URL, query)) == found

    def test_what_finds_nothing_says_so(self, admin):
        assert "No group is like that." in text(admin.get(URL, {"q": "zzz"}))

    def test_says_how_to_begin(self, admin, registry, monkeypatch):
        monkeypatch.setattr(registry, "_handlers", {})
        assert "No group reads a stream yet." in text(admin.get(URL))

    def test_asks_redis_a_fixed_number_of_times(self, admin, registry, round_trips):
        admin.get(URL)
        with round_trips() as few:
            admin.get(URL)
        for number in range(40):
            registry.register(print, stream=f"more-{number}", group="g")
        with round_trips() as many:
            admin.get(URL)
        assert len(few) == len(many) <= 6


class TestOne:
    def test_shows_facts_and_consumers(self, admin, hand_out):
        hand_out(3)
        response = admin.get(BILLING)
        page = text(response)
        assert "orders · billing" in page
        assert "Pending 3" in page
        assert "Entries read 3" in page
        assert (
            '<a href="/admin/stream_events/consumer/orders~billing~consumer-1/change/">' in response.content.decode()
        )

    def test_shows_how_old_pending_entries_are_and_how_often_they_were_delivered(self, admin, server, hand_out):
        ids = hand_out(3)
        server.xadd("t:orders", {"payload": "{}"}, id=f"{int(ids[-1].partition('-')[0]) + 1}-0")
        server.xclaim("t:orders", "billing", "consumer-1", 0, ids[:1])
        spread = admin.get(BILLING).context["spread"]
        assert spread["scope"] == "All 3."
        (_, ages), (_, deliveries) = spread["tables"]
        assert [value for _, _, value, _ in ages] == [3, 0, 0, 0]
        assert [value for _, _, value, _ in deliveries] == [2, 1, 0, 0]

    def test_says_that_these_are_only_the_first(self, admin, hand_out, monkeypatch):
        from stream_events.operations import spread

        monkeypatch.setattr(spread, "SAMPLE", 2)
        hand_out(3)
        assert "The first 2 of 3." in text(admin.get(BILLING))

    def test_says_that_nothing_is_pending(self, admin, server, hand_out):
        server.xack("t:orders", "billing", *hand_out(1))
        assert "Nothing pending. All delivered entries are acknowledged." in text(admin.get(BILLING))

    def test_says_how_to_start_a_consumer_where_none_runs(self, admin):
        page = text(admin.get(BILLING))
        assert "Not started yet" in page
        assert "python manage.py runconsumer orders billing" in page

    def test_offers_what_can_be_done_with_it(self, admin, hand_out):
        hand_out(1)
        hrefs = re.findall(r'href="([^"]*/order/[^"]*)"', admin.get(BILLING).content.decode())
        group = f"{URL}orders~billing/order"
        assert hrefs == [
            "/admin/stream_events/pendingentry/orders~billing/order/claim/?min_idle=600",
            f"{group}/reset/",
            f"{group}/reset/?to=%24",
            f"{group}/delete-group/",
        ]
        for href in hrefs:
            assert admin.get(href).status_code == 200

    @pytest.mark.parametrize("name", ["orders~nobody", "nothing~billing", "orders", "orders~billing~x", "~"])
    def test_a_group_that_is_not_there_is_a_404_page(self, admin, name):
        response = admin.get(f"{URL}{name}/change/")
        assert response.status_code == 404
        assert "Log out" in text(response)

    def test_asks_redis_a_fixed_number_of_times(self, admin, hand_out, server, round_trips):
        hand_out(1)
        admin.get(BILLING)
        with round_trips() as few:
            admin.get(BILLING)
        for number in range(40):
            server.xgroup_createconsumer("t:orders", "billing", f"c-{number}")
        with round_trips() as many:
            admin.get(BILLING)
        assert len(few) == len(many) <= 10
