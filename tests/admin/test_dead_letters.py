"""The page “Dead letters”."""

import json
import re
from dataclasses import replace

import pytest

from stream_events.admin import letter_filters
from tests.admin.forms import LETTERS, act, boxes, confirm, sign_in, text
from tests.operations.acting import KEY, KEYS, bury, do, make_group

pytestmark = pytest.mark.django_db

LIST = f"{LETTERS}?group=orders~billing"


@pytest.fixture(autouse=True)
def group(server, admin, registry):
    registry.register(print, stream="orders", group="billing", name="a")
    registry.register(print, stream="orders", group="care", name="b")
    make_group(server)
    make_group(server, "care")


def shown(response):
    return [row.state.id for row in response.context["cl"].result_list]


def detail(letter_id):
    return f"{LETTERS}orders~billing~{letter_id}/change/"


def test_shows_the_newest_first_with_error_event_and_payload(server, admin):
    payload = json.dumps({"obj_type": "shop.order", "action": "create", "obj_id": 5})
    bury(server, 1)
    bury(server, 1, payload=payload, dead_delivery_count="8")
    response = admin.get(LIST)
    page = response.content.decode()
    assert shown(response) == sorted(shown(response), reverse=True)
    assert "ValueError: no such customer" in page
    assert "failed too often" in page
    assert "shop.order create" in page
    assert "obj_id" in page
    assert "1700000000000-0" in page


def test_offers_the_groups_with_their_dead_letters(server, admin):
    bury(server, 3)
    page = admin.get(LETTERS).content.decode()
    assert "Dead letters belong to a group. Choose one:" in page
    assert '<a href="?group=orders~billing">orders · billing</a> (3 dead letters)' in page


def test_says_that_all_is_well(admin):
    assert "No dead letters." in admin.get(LIST).content.decode()


FILTERS = {
    "error": ("KeyError", {"dead_error": "KeyError: 'x'"}),
    "reason": ("rejected", {"dead_reason": "rejected"}),
    "handler": ("b", {"dead_handler": "b"}),
    "event": ("shop.order delete", {"payload": '{"obj_type": "shop.order", "action": "delete"}'}),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_by(server, admin, name):
    value, fields = FILTERS[name]
    bury(server, 2)
    wanted = bury(server, 1, **fields)
    assert shown(admin.get(LIST, {"group": "orders~billing", name: value})) == wanted
    page = admin.get(LIST, {"group": "orders~billing", name: "something else"}).content.decode()
    assert "No dead letter matches the filter." in page


def test_filters_by_time(server, admin):
    ids = [server.xadd(KEYS.dead, {"payload": "{}"}, id=f"{1700000000000 + 60000 * at}-0").decode() for at in range(4)]
    url = f"{LIST}&since={ids[1]}&until={ids[2]}"
    response = admin.get(url)
    assert shown(response) == [ids[2], ids[1]]
    field = r'type="datetime-local" name="(?:since|until)" step="1" value="([^"]*)"'
    local = re.findall(field, response.content.decode())
    assert shown(admin.get(f"{LIST}&since={local[0]}&until={local[1]}"))[-1] == ids[1]


def test_counts_the_classes_of_errors(server, admin):
    bury(server, 3)
    bury(server, 2, error="KeyError: 'x'")
    page = admin.get(LIST).content.decode()
    assert "ValueError (3)" in page
    assert "KeyError (2)" in page
    assert "are counted among" not in page


def test_says_that_only_the_newest_were_counted(server, admin, monkeypatch):
    monkeypatch.setattr(letter_filters, "COUNTED", replace(letter_filters.COUNTED, seconds=60))
    bury(server, 1100)
    page = admin.get(LIST).content.decode()
    assert "ValueError (1,000)" in page
    assert "Errors are counted among the newest 1,000 dead letters." in page


def test_requeues_all_of_one_class_of_errors(server, admin):
    bury(server, 3)
    others = bury(server, 2, error="KeyError: 'x'")
    report = confirm(admin, act(admin, f"{LIST}&error=ValueError", "requeue", scope="all"), name="billing")
    assert "Done: 3 requeued" in text(report)
    assert [one.decode() for one, _ in server.xrange(KEYS.dead)] == others
    assert server.xlen(KEYS.requeue) == 3
    assert server.xlen(KEY) == 0


def test_requeues_what_is_picked(server, admin):
    ids = bury(server, 3)
    confirm(admin, act(admin, LIST, "requeue", boxes(admin.get(LIST))[:1]))
    assert [one.decode() for one, _ in server.xrange(KEYS.dead)] == ids[:2]


def test_appends_again_for_every_group(server, admin):
    bury(server, 1)
    preview = act(admin, LIST, "replay", boxes(admin.get(LIST)))
    assert "care" in text(preview)
    confirm(admin, preview)
    assert server.xlen(KEY) == 1


def test_what_another_operator_requeued_is_skipped(server, admin):
    bury(server, 2)
    preview = act(admin, LIST, "requeue", boxes(admin.get(LIST)))
    do("requeue", [one.decode() for one, _ in server.xrange(KEYS.dead)][:1])
    assert "1 requeued · 1 skipped: requeued or discarded already" in text(confirm(admin, preview))


def test_tells_the_whole_story_of_one(server, admin):
    trace = 'Traceback (most recent call last):\n  File "<b>", line 1'
    times = [{"at": "2026-01-02T03:04:05+00:00", "by": name, "error": f"by {name}"} for name in ("ben", "ana")]
    history = json.dumps(times)
    (letter_id,) = bury(server, 1, dead_traceback=trace, requeued_history=history, dead_consumer="web-1")
    response = admin.get(detail(letter_id))
    page = response.content.decode()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page.partition("se-traceback")[2].partition("</pre>")[0]
    assert "requeued 2 times, last by ana, failed again" in page
    assert all(word in page for word in (letter_id, "1700000000000-0", "web-1", "by ben"))
    assert "/order/requeue/" in page
    assert "/order/discard/" in page


def test_one_that_is_gone_is_not_found(server, admin):
    for name in ("1-1", "nonsense", "१-१", "99999999999999999999-1"):
        assert admin.get(detail(name)).status_code == 404


def test_a_viewer_sees_errors_and_no_payloads(server):
    (letter_id,) = bury(server, 1, payload='{"name": "Ada Lovelace"}')
    viewer = sign_in("viewer", "view_deadletter")
    for url in (LIST, detail(letter_id)):
        page = viewer.get(url).content.decode()
        assert "ValueError: no such customer" in page
        assert "Ada" not in page
        assert "keys: name" in page
        assert "/order/" not in page
        assert "/export/" not in page
    assert viewer.get(f"{LETTERS}orders~billing/export/").status_code == 403


def test_exports_what_the_filter_lets_through(server, admin):
    bury(server, 250)
    bury(server, 1, error="KeyError: 'x'")
    link = re.search(r'href="([^"]*/export/[^"]*)"', admin.get(f"{LIST}&error=ValueError").content.decode())[1]
    response = admin.get(link)
    rows = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert response["Content-Type"] == "application/x-ndjson"
    assert len({row["id"] for row in rows}) == 250
    assert rows[0]["payload"] == '{"obj_id": 249}'
    assert rows[0]["error"] == "ValueError: no such customer"
    assert rows[0]["handler"] == "a"


def test_pages_to_the_end(server, admin):
    ids = bury(server, 120)
    url, seen = LIST, []
    while url:
        response = admin.get(url)
        seen += shown(response)
        link = re.search(r'<a href="([^"]*)" rel="next">', response.content.decode())
        url = link and LETTERS + link[1].replace("&amp;", "&")
    assert seen == ids[::-1]
