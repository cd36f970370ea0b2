"""The page “Pending entries”."""

import itertools
import re

import pytest

from stream_events import StreamPublisher
from tests.admin.forms import PENDING, act, boxes, confirm, sign_in, text
from tests.operations.acting import REQUEUED, bury, do, let_live, let_wait

pytestmark = pytest.mark.django_db

URL = PENDING
LIST = f"{PENDING}?group=orders~billing"
FAILURE = {"error": "ValueError: no such customer", "traceback": "Traceback:\n  <i>here</i>", "handlers": ["a"]}


@pytest.fixture(autouse=True)
def _registered(admin, registry):
    registry.register(print, stream="orders", group="billing")
    registry.register(print, stream="orders", group="care")


def shown(response):
    return [row.state.entry_id for row in response.context["cl"].result_list]


def cell(response, name):
    found = re.search(rf'<td class="field-{name}[^"]*">(.*?)</td>', response.content.decode(), re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())


def detail(entry_id):
    return f"{PENDING}orders~billing~{entry_id}/change/"


def test_shows_entry_event_payload_consumer_idle_time_and_deliveries(admin, hand_out):
    (entry_id,) = hand_out(1)
    response = admin.get(LIST)
    assert shown(response) == [entry_id]
    assert "{&quot;obj_id&quot;:0}" in response.content.decode()
    assert "consumer-1" in cell(response, "consumer")
    assert re.fullmatch(r"\d s", cell(response, "idle"))
    assert cell(response, "deliveries") == "1 of 8"
    assert "are taken over 30 s after its last sign of life" in response.content.decode()


def test_names_the_event(admin, hand_out, server):
    hand_out(0)
    StreamPublisher("orders").add({"obj_type": "shop.order", "action": "create"})
    server.xreadgroup("billing", "consumer-1", {"t:orders": ">"})
    assert cell(admin.get(LIST), "event") == "shop.order create"


def test_says_whether_a_consumer_lives(admin, hand_out, server):
    hand_out(1)
    let_live(server, "consumer-1")
    assert "being processed" in cell(admin.get(LIST), "state")
    assert cell(admin.get(LIST), "consumer") == "consumer-1 running"
    let_live(server, "consumer-1", seconds=-60)
    assert "abandoned" in cell(admin.get(LIST), "state")
    assert cell(admin.get(LIST), "consumer") == "consumer-1 gone"


def test_shows_when_a_waiting_entry_is_due_and_why_it_failed(admin, hand_out, server):
    (entry_id,) = hand_out(1)
    let_wait(server, entry_id, seconds=90.5, **FAILURE)
    response = admin.get(LIST)
    assert "~retry" not in response.content.decode().replace("value=", "")
    assert "retry in 1 min" in cell(response, "state")
    assert cell(response, "error") == "ValueError: no such customer"
    let_wait(server, entry_id, seconds=-1)
    assert "retry now" in cell(admin.get(LIST), "state")
    let_wait(server, entry_id, seconds=-600)
    assert "overdue due 10 min" in cell(admin.get(LIST), "state").replace("▲ ", "")


def test_says_when_nobody_can_handle_an_entry(admin, hand_out, server):
    (entry_id,) = hand_out(1)
    server.xclaim("t:orders", "billing", "consumer-1", 0, [entry_id], retrycount=2**63 - 1)
    assert cell(admin.get(LIST), "deliveries") == "fatal"


def test_offers_the_groups_to_choose_from(admin, hand_out):
    hand_out(1)
    hand_out(2, group="care")
    response = admin.get(URL)
    assert "Choose one" in response.content.decode()
    assert '"?group=orders~care">orders · care</a> (3 pending)' in response.content.decode()
    assert shown(response) == []


def test_chooses_the_only_group_by_itself(admin, hand_out):
    assert len(hand_out(2)) == len(shown(admin.get(URL)))


def test_shows_a_group_of_a_stream_that_the_project_does_not_know(admin, hand_out):
    ids = hand_out(1, stream="strange", group="other")
    assert shown(admin.get(f"{PENDING}?group=strange~other")) == ids


@pytest.mark.parametrize("group", ["orders~nobody", "nonsense", "", "orders:billing' OR 1=1", "~", "a~b~c"])
def test_a_group_that_is_not_there_offers_the_others(admin, hand_out, group):
    hand_out(1)
    response = admin.get(URL, {"group": group})
    assert response.status_code == 200
    assert shown(response) == []
    assert "Choose one" in response.content.decode()


def test_pages_by_entry_id_to_the_end(admin, hand_out):
    ids = hand_out(120)
    pages, url = [], LIST
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
    ["x", "1-", "-", "1-1-1", "(1-1", "99999999999999999999-1", "1-99999999999999999999", "²-1", "1 1", ""],
    ids=["word", "half", "dash", "three", "exclusive", "too-far", "too-many", "other-digits", "space", "empty"],
)
def test_a_page_that_makes_no_sense_is_the_first(admin, hand_out, after):
    ids = hand_out(1)
    assert shown(admin.get(URL, {"group": "orders~billing", "after": after})) == ids


def test_beyond_the_end_there_is_nothing_more(admin, hand_out):
    (entry_id,) = hand_out(1)
    page = admin.get(URL, {"group": "orders~billing", "after": entry_id}).content.decode()
    assert "No more entries" in page
    assert ">First<" in page


def test_counts_what_is_selected_and_does_not_offer_more_than_the_filter_lets_through(admin, hand_out):
    hand_out(60)
    page = admin.get(LIST).content.decode()
    assert 'class="action-counter" data-actions-icnt="50"' in page
    assert "Select all 60" not in page


def test_nothing_pending_is_good_news(admin, hand_out):
    hand_out(0)
    assert "Nothing pending. All delivered entries are acknowledged." in admin.get(LIST).content.decode()


@pytest.fixture
def mixed(hand_out, server):
    """Three entries: of a consumer that is gone, waiting for a retry, and delivered three times."""
    ids = hand_out(3)
    let_live(server, "consumer-1", seconds=-60)
    let_wait(server, ids[1], **FAILURE)
    for _ in range(2):
        server.xclaim("t:orders", "billing", "consumer-2", 0, [ids[2]], idle=7_200_000)
    let_live(server, "consumer-2")
    return ids


FILTERS = {
    "consumer": ("consumer-1", 0),
    "state": ("waiting", 1),
    "min_idle": ("3600", 2),
    "min_deliveries": ("3", 2),
    "error": ("NO SUCH", 1),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_by(admin, mixed, name):
    value, wanted = FILTERS[name]
    response = admin.get(URL, {"group": "orders~billing", name: value})
    assert shown(response) == [mixed[wanted]]


@pytest.mark.parametrize("name", FILTERS)
def test_orders_what_the_filter_lets_through_and_nothing_else(admin, mixed, server, name):
    value, wanted = FILTERS[name]
    confirm(admin, act(admin, f"{LIST}&{name}={value}", "ack", scope="all"))
    left = [row["message_id"].decode() for row in server.xpending_range("t:orders", "billing", "-", "+", 10)]
    assert left == [one for one in mixed if one != mixed[wanted]]


def test_a_filter_that_finds_nothing_says_so(admin, mixed):
    page = admin.get(f"{LIST}&error=nothing+like+it").content.decode()
    assert "No pending entry matches the filter." in page


@pytest.mark.parametrize("value", ["-1", "x", "1e9", "9" * 30, "²", "NaN"])
@pytest.mark.parametrize("name", ["min_idle", "min_deliveries", "state", "since"])
def test_a_filter_that_makes_no_sense_filters_nothing(admin, mixed, name, value):
    assert admin.get(URL, {"group": "orders~billing", name: value}).status_code == 200


def test_goes_to_a_time(admin, hand_out):
    ids = hand_out(2)
    assert shown(admin.get(f"{LIST}&since={ids[1]}")) == ids[1:]
    assert shown(admin.get(f"{LIST}&since=2020-01-01T00:00")) == ids
    assert shown(admin.get(f"{LIST}&since=2100-01-01T00:00")) == []


def test_another_filter_begins_at_the_first_page(admin, hand_out):
    ids = hand_out(60)
    page = admin.get(f"{LIST}&after={ids[0]}&trail=-").content.decode()
    links = re.findall(r'href="(\?[^"]*min_deliveries=[^"]*)"', page)
    assert links
    assert not [link for link in links if "after" in link or "trail" in link]


def test_shows_what_was_requeued_to_the_group(admin, hand_out, server):
    hand_out(1)
    do("requeue", bury(server, 2))
    server.xreadgroup("billing", "consumer-1", {REQUEUED.stream: ">"})
    response = admin.get(f"{LIST}&requeued=1")
    assert len(shown(response)) == 2
    assert "Requeued to group billing of stream orders" in response.content.decode()
    (link,) = re.findall(rf'href="([^"]*{shown(response)[0]}/change/[^"]*)"', response.content.decode())
    assert "requeued_entry_id" in admin.get(link).content.decode()
    confirm(admin, act(admin, f"{LIST}&requeued=1", "ack", boxes(response)))
    assert shown(admin.get(f"{LIST}&requeued=1")) == []
    assert server.xpending("t:orders", "billing")["pending"] == 1


def test_a_payload_that_was_trimmed_can_only_be_acknowledged(admin, hand_out, server):
    (entry_id,) = hand_out(1)
    server.xtrim("t:orders", maxlen=0, approximate=False)
    assert "payload deleted" in cell(admin.get(LIST), "state")
    assert "Deleted: the stream was trimmed" in cell(admin.get(LIST), "preview")
    assert "All that is left is to acknowledge it." in admin.get(detail(entry_id)).content.decode()


def test_tells_the_whole_story_of_one(admin, hand_out, server):
    (entry_id,) = hand_out(1)
    let_wait(server, entry_id, **FAILURE)
    page = admin.get(detail(entry_id)).content.decode()
    assert "ValueError: no such customer" in page
    assert "&lt;i&gt;here&lt;/i&gt;" in page
    assert "obj_id" in page
    assert all(f"/order/{verb}/" in page for verb in ("retry", "ack", "claim", "dead"))


def test_one_that_is_handled_is_not_found(admin, hand_out, server):
    (entry_id,) = hand_out(1)
    server.xack("t:orders", "billing", entry_id)
    assert admin.get(detail(entry_id)).status_code == 404
    assert admin.get(detail("nonsense")).status_code == 404


def test_a_viewer_sees_states_and_no_payloads(hand_out, server):
    hand_out(0)
    StreamPublisher("orders").add({"name": "Ada Lovelace"})
    server.xreadgroup("billing", "consumer-1", {"t:orders": ">"})
    viewer = sign_in("viewer", "view_pendingentry")
    response = viewer.get(LIST)
    for page in (response, viewer.get(detail(shown(response)[0]))):
        assert "Ada" not in page.content.decode()
        assert "keys: name" in page.content.decode()
        assert "/order/" not in page.content.decode()


def test_retries_what_failed(admin, hand_out, server):
    ids = hand_out(2)
    let_wait(server, ids[0], seconds=600, **FAILURE)
    report = confirm(admin, act(admin, LIST, "retry", boxes(admin.get(LIST))[:1]))
    assert "Done: 1 due now" in text(report)
    assert "retry now" in cell(admin.get(LIST), "state")


def test_a_long_payload_is_cut_and_escaped(admin, hand_out, server):
    hand_out(0)
    StreamPublisher("orders").add({"name": "<script>x</script>" * 100})
    server.xreadgroup("billing", "consumer-1", {"t:orders": ">"})
    response = admin.get(LIST)
    assert "<script>x" not in response.content.decode()
    assert len(cell(response, "preview")) < 300


def test_an_entry_that_is_no_event_is_shown_as_it_is(admin, server, hand_out):
    server.xadd("t:orders", {"payload": b"\xff{"})
    server.xadd("t:orders", {"other": "field"})
    hand_out(0)
    assert len(shown(admin.get(LIST))) == 2


@pytest.mark.parametrize("parameter", ["zzz", "o", "p", "q", "all", "_facets"])
def test_parameters_of_other_lists_break_nothing(admin, hand_out, parameter):
    ids = hand_out(1)
    assert shown(admin.get(URL, {"group": "orders~billing", "after": "0-1", parameter: "1"})) == ids
