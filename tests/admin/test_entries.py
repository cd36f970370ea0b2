"""The page “Entries” of a stream."""

import re
from datetime import UTC, datetime

import pytest

from stream_events import StreamPublisher
from tests.admin.test_streams import text

pytestmark = pytest.mark.django_db

URL = "/admin/stream_events/stream/orders/entries/"


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")


@pytest.fixture
def add(server):
    """Adds entries with the given times, in seconds of 2026-01-31T14:00."""

    def run(*seconds, **fields):
        start = int(datetime(2026, 1, 31, 14, tzinfo=UTC).timestamp())
        return [
            server.xadd("t:orders", fields or {"payload": "{}"}, id=f"{start + one}000-0").decode() for one in seconds
        ]

    return run


def shown(response):
    return [entry["id"] for entry in response.context["entries"]]


def follow(admin, response, name):
    return admin.get(f"{URL}{response.context[name]}")


def test_are_shown_newest_first(admin, add):
    ids = add(1, 2, 3)
    response = admin.get(URL)
    assert shown(response) == ids[::-1]
    assert "3 entries" in text(response)


def test_pages_go_to_older_and_back_to_newer(admin, add):
    ids = add(*range(120))[::-1]
    first = admin.get(URL)
    assert (shown(first), first.context["newer"]) == (ids[:50], "")
    second = follow(admin, first, "older")
    assert shown(second) == ids[50:100]
    third = follow(admin, second, "older")
    assert (shown(third), third.context["older"]) == (ids[100:], "")
    assert shown(follow(admin, third, "newer")) == ids[50:100]
    assert shown(follow(admin, follow(admin, third, "newer"), "older")) == ids[100:]
    assert shown(follow(admin, third, "newest")) == ids[:50]


@pytest.mark.parametrize(("size", "count"), [("100", 100), ("200", 120), ("7", 50), ("x", 50)])
def test_the_size_of_a_page_is_a_choice(admin, add, size, count):
    add(*range(120))
    assert len(shown(admin.get(URL, {"size": size}))) == count


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("2026-01-31T14:01", 119), ("2026-01-31T14:01:00", 60), ("2026-01-31T14:01:30+00:00", 90)],
    ids=["minute", "second", "zone"],
)
def test_a_time_is_a_place(admin, add, settings, time, seconds):
    settings.TIME_ZONE = "UTC"
    ids = add(*range(180))
    assert shown(admin.get(URL, {"time": time}))[0] == ids[seconds]


def test_a_time_is_one_of_the_users_zone(admin, add, settings):
    settings.TIME_ZONE = "Europe/Madrid"
    ids = add(*range(180))
    assert shown(admin.get(URL, {"time": "2026-01-31T15:01:00"}))[0] == ids[60]


def test_an_id_is_a_place(admin, add):
    ids = add(1, 2, 3)
    assert shown(admin.get(URL, {"id": ids[1]})) == [ids[1], ids[0]]
    assert shown(admin.get(URL, {"id": ids[1].partition("-")[0]})) == [ids[1], ids[0]]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"time": "noon"}, "“noon” is no time"),
        ({"time": "2026-13-31T14:01"}, "“2026-13-31T14:01” is no time"),
        ({"time": "9999-12-31T23:59"}, "“9999-12-31T23:59” is no time"),
        ({"id": "x"}, "“x” is no entry id"),
    ],
    ids=["words", "no-such-time", "last-time", "id"],
)
def test_a_place_that_makes_no_sense_says_so_and_shows_the_newest(admin, add, query, sentence):
    ids = add(1)
    response = admin.get(URL, query)
    assert shown(response) == ids
    assert sentence in text(response)


@pytest.mark.parametrize("name", ["before", "after"])
@pytest.mark.parametrize("place", ["x", "1-", "99999999999999999999-0", "1' OR 1=1"])
def test_a_page_that_makes_no_sense_is_the_first(admin, add, name, place):
    ids = add(1)
    assert shown(admin.get(URL, {name: place})) == ids


def test_what_they_contain_is_looked_for(admin, add):
    add(1, 2, 3)
    (wanted,) = add(4, payload='{"customer":"Ana"}')
    assert shown(admin.get(URL, {"contains": "ana"})) == [wanted]


def test_looking_stops_at_the_budget_and_says_so(admin, add, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"SCAN_BUDGET": 100}}
    (wanted,) = add(0, payload='{"customer":"Ana"}')
    add(*range(1, 151))
    response = admin.get(URL, {"contains": "ana"})
    assert "No match in 100 of 151 entries." in text(response)
    link = re.search(r'<a href="([^"]*)">Continue scanning</a>', response.content.decode())[1].replace("&amp;", "&")
    assert shown(admin.get(f"{URL}{link}")) == [wanted]


def test_are_shown_as_a_group_sees_them(admin, server, hand_out):
    first, second = hand_out(2)
    server.xack("t:orders", "billing", first)
    (unread, _) = StreamPublisher("orders").add({"obj_id": 3})
    response = admin.get(URL, {"group": "billing"})
    badges = {entry["id"]: str(entry["badge"]) for entry in response.context["entries"]}
    assert "done" in badges[first]
    assert "pending" in badges[second]
    assert "not read yet" in badges[unread]
    assert "se-badge" not in admin.get(URL, {"group": "nobody"}).content.decode()


def test_a_long_payload_is_cut_and_escaped(admin, add):
    add(1, payload="<script>" + "x" * 500)
    page = admin.get(URL).content.decode()
    assert "&lt;script&gt;x" in page
    assert "x" * 120 not in page


def test_say_what_the_event_is(admin, server):
    StreamPublisher("orders").add({"obj_type": "shop.order", "action": "create", "obj_id": 1})
    assert "shop.order create" in text(admin.get(URL))


def test_the_newest_page_alone_refreshes_itself(admin, add):
    ids = add(*range(60))
    assert 'id="se-live"' in admin.get(URL).content.decode()
    assert f'<tr data-key="{ids[-1]}">' in admin.get(URL).content.decode()
    assert 'id="se-live"' not in follow(admin, admin.get(URL), "older").content.decode()


class TestWithoutThePermissionForPayloads:
    def test_only_size_and_keys_are_shown(self, staff, add):
        add(1, payload='{"customer":"Ana","obj_type":"shop.order"}')
        page = text(staff("view_stream").get(URL))
        assert "Ana" not in page
        assert "shop.order" not in page
        assert "42 bytes · keys: customer, obj_type" in page

    def test_nothing_is_looked_for_in_them(self, staff, add):
        ids = add(1, payload='{"customer":"Ana"}')
        client = staff("view_stream")
        assert shown(client.get(URL, {"contains": "nobody"})) == ids
        assert 'name="contains"' not in client.get(URL).content.decode()


def test_a_page_asks_redis_a_fixed_number_of_times(admin, add, round_trips):
    add(*range(1, 20))  # more than the few that are read first, to see what they weigh
    admin.get(URL)
    with round_trips() as few:
        admin.get(URL)
    add(*range(20, 40))
    with round_trips() as many:
        admin.get(URL)
    assert len(few) == len(many) <= 8
