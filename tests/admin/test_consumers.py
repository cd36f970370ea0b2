"""The page “Consumers”, and that of one consumer."""

import pytest

from stream_events import StreamPublisher
from tests.admin.test_groups import cells, names
from tests.admin.test_streams import text

pytestmark = pytest.mark.django_db

URL = "/admin/stream_events/consumer/"
OURS = "web-3-4121-0a1b2c"
ONE = f"{URL}orders~billing~{OURS}/change/"


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")


@pytest.fixture
def lease(server):
    """Gives a consumer a lease of ``seconds``."""

    def run(consumer, seconds):
        now, _ = server.time()
        server.zadd("{t:orders}:billing:consumers", {consumer: (now + seconds) * 1000})

    return run


class TestList:
    def test_shows_what_each_holds_and_where_it_runs(self, admin, hand_out, lease):
        hand_out(3, consumer=OURS)
        lease(OURS, 30)
        row = cells(admin.get(URL), f"orders~billing~{OURS}")
        assert f'<a href="{ONE}">{OURS}</a>' in row["name"]
        assert (
            '<a href="/admin/stream_events/consumergroup/orders~billing/change/">orders · billing</a>' in row["group"]
        )
        assert "running" in row["state"]
        assert row["place"] == "web-3:4121"
        assert f"?group=orders~billing&amp;consumer={OURS}" in row["pending"]
        assert "ago" in row["oldest"]

    def test_tells_those_that_are_gone_from_those_of_other_programs(self, admin, server, hand_out, lease):
        hand_out(1, consumer="gone")
        lease("gone", -60)
        server.xgroup_createconsumer("t:orders", "billing", "other")
        response = admin.get(URL)
        assert "gone" in cells(response, "orders~billing~gone")["state"]
        assert "of another program" in cells(response, "orders~billing~other")["state"]

    def test_those_that_hold_most_come_first(self, admin, server, hand_out):
        ids = hand_out(3, consumer="a")
        server.xclaim("t:orders", "billing", "b", 0, ids[:2])
        assert names(admin.get(URL)) == ["orders~billing~b", "orders~billing~a"]

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"group": "orders~billing"}, 2),
            ({"group": "orders~nobody"}, 0),
            ({"state": "running"}, 1),
            ({"state": "foreign"}, 1),
            ({"q": "WEB"}, 1),
        ],
        ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
    )
    def test_filters(self, admin, server, hand_out, lease, query, count):
        hand_out(1, consumer=OURS)
        lease(OURS, 30)
        server.xgroup_createconsumer("t:orders", "billing", "other")
        assert len(names(admin.get(URL, query))) == count

    def test_says_how_to_begin(self, admin):
        assert "No consumer has ever read for a group." in text(admin.get(URL))
        assert "No consumer is like that." in text(admin.get(URL, {"q": "zzz"}))

    def test_asks_redis_a_fixed_number_of_times(self, admin, server, hand_out, round_trips):
        hand_out(1)
        admin.get(URL)
        with round_trips() as few:
            admin.get(URL)
        for number in range(40):
            server.xgroup_createconsumer("t:orders", "billing", f"c-{number}")
        with round_trips() as many:
            admin.get(URL)
        assert len(few) == len(many) <= 6


class TestOne:
    def test_shows_what_it_holds(self, admin, hand_out, lease):
        (entry_id,) = hand_out(1, consumer=OURS)
        lease(OURS, 30)
        response = admin.get(ONE)
        assert f'<a href="/admin/stream_events/stream/orders~{entry_id}/entry/">' in response.content.decode()
        assert "being processed" in text(response)
        assert "Host and process web-3:4121" in text(response)
        assert "Taken for dead in" in text(response)

    def test_can_be_deleted_by_who_may(self, admin, hand_out):
        hand_out(1, consumer=OURS)
        href = f"{URL}orders~billing~{OURS}/order/delete-consumer/"
        assert f'href="{href}"' in admin.get(ONE).content.decode()
        assert admin.get(href).status_code == 200

    def test_says_what_becomes_of_it_when_it_is_gone(self, admin, hand_out, lease):
        hand_out(1, consumer=OURS)
        lease(OURS, -60)
        assert "Another consumer of the group takes over what it holds." in text(admin.get(ONE))

    def test_shows_no_payload_without_the_permission(self, staff, hand_out):
        StreamPublisher("orders").add({"obj_id": "Ana"})
        hand_out(0, consumer=OURS)
        page = text(staff("view_consumer").get(ONE))
        assert "Ana" not in page
        assert "keys: obj_id" in page

    def test_a_deleted_entry_is_no_crash(self, admin, server, hand_out):
        hand_out(1, consumer=OURS)
        server.xtrim("t:orders", maxlen=0, approximate=False)
        assert "payload deleted" in text(admin.get(ONE))

    @pytest.mark.parametrize("name", ["orders~billing~nobody", "orders~billing", "a~b~c", "~~"])
    def test_a_consumer_that_is_not_there_is_a_404_page(self, admin, name):
        assert admin.get(f"{URL}{name}/change/").status_code == 404
