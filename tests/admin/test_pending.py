"""The page “Pending entries”."""

import itertools
import re

import pytest

from stream_events import StreamPublisher

pytestmark = pytest.mark.django_db

URL = "/admin/stream_events/pendingentry/"


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")
    registry.register(print, stream="orders", group="care")


def shown(response):
    return [row.state.entry_id for row in response.context["cl"].result_list]


def test_shows_entry_payload_consumer_idle_time_and_deliveries(admin, hand_out):
    (entry_id,) = hand_out(1)
    response = admin.get(URL, {"group": "orders~billing"})
    page = response.content.decode()
    assert shown(response) == [entry_id]
    assert entry_id in page
    assert "{&quot;obj_id&quot;:0}" in page
    assert "consumer-1" in page
    assert re.search(r">\d s<", page)
    assert "are taken over 30 s after its last sign of life" in page


def test_shows_when_a_waiting_entry_is_due(admin, hand_out, server):
    first, second, _ = hand_out(3)
    for entry_id, delay in ((first, 90_500), (second, -10)):
        server.xclaim("t:orders", "billing", "~retry", 0, [entry_id])
        seconds, _ = server.time()
        server.zadd("{t:orders}:billing:retry", {entry_id: seconds * 1000 + delay})
    page = admin.get(URL, {"group": "orders~billing"}).content.decode()
    assert "~retry" not in page
    assert "retry in 1 min" in page
    assert "retry now" in page


def test_offers_the_groups_to_choose_from(admin, hand_out):
    hand_out(1)
    hand_out(2, group="care")
    response = admin.get(URL)
    assert "Choose one" in response.content.decode()
    assert "?group=orders~care" in response.content.decode()
    assert shown(response) == []


def test_chooses_the_only_group_by_itself(admin, hand_out):
    assert len(hand_out(2)) == len(shown(admin.get(URL)))


@pytest.mark.parametrize("group", ["orders~nobody", "nonsense", "", "orders:billing' OR 1=1"])
def test_a_group_that_is_not_there_offers_the_others(admin, hand_out, group):
    hand_out(1)
    response = admin.get(URL, {"group": group})
    assert response.status_code == 200
    assert shown(response) == []
    assert "Choose one" in response.content.decode()


def test_pages_by_entry_id_to_the_end(admin, hand_out):
    ids = hand_out(120)
    pages, url = [], f"{URL}?group=orders~billing"
    while url:
        response = admin.get(url)
        pages.append(shown(response))
        assert "120 pending entries" in response.content.decode()
        link = re.search(r'<a href="([^"]*)" rel="next">', response.content.decode())
        url = link and URL + link[1].replace("&amp;", "&")
    assert [len(page) for page in pages] == [50, 50, 20]
    assert list(itertools.chain(*pages)) == ids


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "1-",
        "0-0'",
        "99999999999999999999-0",
        "١-١",
        "18446744073709551615-18446744073709551615",
    ],
)
def test_a_page_that_makes_no_sense_is_the_first(admin, hand_out, after):
    ids = hand_out(1)
    assert shown(admin.get(URL, {"group": "orders~billing", "after": after})) == ids


def test_beyond_the_end_there_is_nothing_more(admin, hand_out):
    (entry_id,) = hand_out(1)
    page = admin.get(URL, {"group": "orders~billing", "after": entry_id}).content.decode()
    assert "No more entries" in page
    assert ">First<" in page


def test_says_when_nothing_is_pending(admin, server, hand_out):
    ids = hand_out(1)
    server.xack("t:orders", "billing", *ids)
    assert "All delivered entries are acknowledged" in admin.get(URL).content.decode()


def test_says_how_to_begin_when_there_is_no_group(admin):
    assert "runconsumer STREAM GROUP" in admin.get(URL).content.decode()


def test_a_trimmed_entry_says_so(admin, server, hand_out):
    hand_out(1)
    server.xtrim("t:orders", maxlen=0, approximate=False)
    assert "the stream was trimmed" in admin.get(URL).content.decode()


def test_a_long_payload_is_folded_and_escaped(admin, server, hand_out):
    StreamPublisher("orders").add({"obj_id": 1, "data": {"html": "<script>" + "x" * 500}})
    hand_out(0)
    page = admin.get(URL).content.decode()
    assert "<details><summary>" in page
    assert "<script>x" not in page


def test_an_entry_that_is_no_event_is_shown_as_it_is(admin, server, hand_out):
    server.xadd("t:orders", {"payload": b"\xff{"})
    server.xadd("t:orders", {"other": "field"})
    hand_out(0)
    assert len(shown(admin.get(URL))) == 2


@pytest.mark.parametrize("parameter", ["zzz", "o", "p", "q", "all", "_facets"])
def test_parameters_of_other_lists_break_nothing(admin, hand_out, parameter):
    ids = hand_out(1)
    assert shown(admin.get(URL, {"group": "orders~billing", "after": "0-1", parameter: "1"})) == ids
