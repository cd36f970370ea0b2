"""The page of one entry."""

import json
import re

import pytest
from django.contrib.admin.utils import quote

from stream_events import StreamPublisher
from tests.admin.test_streams import text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")


def url(entry_id, page="entry"):
    return f"/admin/stream_events/stream/{quote(f'orders~{entry_id}')}/{page}/"


def test_shows_what_it_carries_and_what_describes_it(admin, server):
    entry_id, _ = StreamPublisher("orders").add({"obj_type": "shop.order", "action": "create", "obj_id": 1})
    response = admin.get(url(entry_id))
    page = response.content.decode()
    assert "{\n  &quot;obj_type&quot;: &quot;shop.order&quot;" in page
    assert "Event shop.order create" in text(response)
    assert "event_id" in page
    assert f'href="{url(entry_id, "payload")}"' in page
    assert '<a href="/admin/stream_events/stream/orders/entries/">Entries</a>' in page


def test_shows_how_far_every_group_is(admin, registry, server, hand_out):
    registry.register(print, stream="orders", group="care")
    registry.register(print, stream="orders", group="never")
    (entry_id,) = hand_out(1)
    server.xgroup_create("t:orders", "care", id="0")
    server.xreadgroup("care", "c", {"t:orders": ">"})
    server.xack("t:orders", "care", entry_id)
    rows = {row["group"]: row for row in admin.get(url(entry_id)).context["statuses"]}
    badges = {str(group).partition(">")[2].partition("<")[0]: str(row["badge"]) for group, row in rows.items()}
    assert "pending" in badges["billing"]
    assert "done" in badges["care"]
    assert "not read yet" in badges["never"]


def test_shows_who_holds_it_and_why_it_failed(admin, server, hand_out):
    (entry_id,) = hand_out(1)
    server.xclaim("t:orders", "billing", "~retry", 0, [entry_id])
    failure = {"error": "ValueError: no such <customer>", "traceback": "", "handlers": []}
    server.hset("{t:orders}:billing:errors", entry_id, json.dumps(failure))
    seconds, _ = server.time()
    server.zadd("{t:orders}:billing:retry", {entry_id: (seconds + 3600) * 1000})
    page = admin.get(url(entry_id)).content.decode()
    assert "ValueError: no such &lt;customer&gt;" in page
    assert "waiting for a retry" in page
    assert "due:" in page


def test_a_dead_letter_of_it_is_known(admin, server, hand_out):
    (entry_id,) = hand_out(1)
    server.xack("t:orders", "billing", entry_id)
    server.xadd("{t:orders}:billing:dead", {"payload": "{}", "dead_entry_id": entry_id})
    assert "dead letter" in text(admin.get(url(entry_id)))


class TestOrders:
    def hrefs(self, response):
        return re.findall(r'href="([^"]*/order/[^"]*)"', response.content.decode())

    def test_of_one_that_was_requeued_lead_to_where_it_is(self, admin, server, hand_out):
        (entry_id,) = hand_out(1)
        server.xack("t:orders", "billing", entry_id)
        server.xadd("{t:orders}:billing:requeue", {"payload": "{}", "requeued_entry_id": entry_id})
        server.xgroup_create("{t:orders}:billing:requeue", "billing", id="0")
        server.xreadgroup("billing", "c", {"{t:orders}:billing:requeue": ">"})
        acknowledge = next(one for one in self.hrefs(admin.get(url(entry_id))) if "/order/ack/" in one)
        assert admin.get(acknowledge).status_code == 200

    def test_are_those_that_make_sense_for_each_group(self, admin, server, hand_out):
        (entry_id,) = hand_out(1)
        pending = f"/admin/stream_events/pendingentry/orders~billing~{entry_id}/order"
        assert self.hrefs(admin.get(url(entry_id))) == [
            f"{pending}/retry/",
            f"{pending}/ack/",
            f"{pending}/claim/",
            f"{pending}/dead/",
            f"/admin/stream_events/stream/orders/order/replay/?ids={entry_id}",
        ]
        server.xack("t:orders", "billing", entry_id)
        letter = server.xadd("{t:orders}:billing:dead", {"payload": "{}", "dead_entry_id": entry_id}).decode()
        assert self.hrefs(admin.get(url(entry_id))) == [
            f"/admin/stream_events/deadletter/orders~billing~{letter}/order/requeue/",
            f"/admin/stream_events/stream/orders/order/replay/?ids={entry_id}",
        ]

    def test_lead_to_pages(self, admin, hand_out):
        (entry_id,) = hand_out(1)
        for href in self.hrefs(admin.get(url(entry_id))):
            assert admin.get(href).status_code == 200

    def test_are_those_that_the_user_may_give(self, staff, hand_out):
        (entry_id,) = hand_out(1)
        client = staff("view_stream", "view_pendingentry", "ack_pendingentry")
        assert self.hrefs(client.get(url(entry_id))) == [
            f"/admin/stream_events/pendingentry/orders~billing~{entry_id}/order/ack/"
        ]

    def test_are_buttons_without_effect_where_nothing_may_be_changed(self, admin, settings, hand_out):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
        (entry_id,) = hand_out(1)
        response = admin.get(url(entry_id))
        assert self.hrefs(response) == []
        assert response.content.decode().count('<button type="button" disabled') == 5


@pytest.mark.parametrize("entry_id", ["1-0", "x", "", "1-0~2", "99999999999999999999-0"])
def test_an_entry_that_is_not_there_is_a_404_page(admin, server, entry_id):
    response = admin.get(url(entry_id))
    assert response.status_code == 404
    assert "Log out" in text(response)


def test_what_is_long_is_cut_and_can_be_downloaded(admin, server):
    entry_id = server.xadd("t:orders", {"payload": "x" * 100_000}).decode()
    page = admin.get(url(entry_id)).content.decode()
    assert "Only the beginning is shown." in page
    assert "x" * 65_537 not in page
    response = admin.get(url(entry_id, "payload"))
    assert response.content == b"x" * 100_000
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="{entry_id}.txt"'


def test_what_is_no_text_is_shown_in_base64(admin, server):
    entry_id = server.xadd("t:orders", {"payload": b"\xff\x00"}).decode()
    page = text(admin.get(url(entry_id)))
    assert "not UTF-8: shown in base64" in page
    assert "/wA=" in page


def test_entries_of_other_programs_are_shown_as_json(admin, server):
    entry_id = server.xadd("t:orders", {"colour": "red", "bytes": b"\xff"}).decode()
    page = admin.get(url(entry_id)).content.decode()
    assert "&quot;colour&quot;: &quot;red&quot;" in page
    assert "&quot;bytes&quot;: &quot;/w==&quot;" in page


class TestWithoutThePermissionForPayloads:
    def test_only_size_and_keys_are_shown(self, staff, server):
        entry_id = server.xadd("t:orders", {"payload": '{"customer":"Ana"}', "event_id": "e-1"}).decode()
        response = staff("view_stream").get(url(entry_id))
        assert "Ana" not in response.content.decode()
        assert "keys: customer" in text(response)
        assert "e-1" in text(response)
        assert "You may not see what events carry." in text(response)

    def test_there_is_no_download(self, staff, server):
        entry_id = server.xadd("t:orders", {"payload": '{"customer":"Ana"}'}).decode()
        client = staff("view_stream")
        assert client.get(url(entry_id, "payload")).status_code == 403
        assert url(entry_id, "payload") not in client.get(url(entry_id)).content.decode()

    def test_fields_of_other_programs_are_what_they_carry(self, staff, server):
        entry_id = server.xadd("t:orders", {"secret": "Ana"}).decode()
        page = text(staff("view_stream").get(url(entry_id)))
        assert "Ana" not in page
        assert "keys: secret" in page

    def test_the_permission_for_payloads_alone_opens_no_page(self, staff, server):
        entry_id = server.xadd("t:orders", {"payload": "Ana"}).decode()
        client = staff("view_payload")
        assert client.get(url(entry_id)).status_code == 403
        assert client.get(url(entry_id, "payload")).status_code == 403


class TestFormatter:
    @pytest.fixture
    def formatted(self, settings, admin, server):
        def show(path, payload='{"customer":"Ana"}'):
            settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"PAYLOAD_FORMATTER": path}}
            entry_id = server.xadd("t:orders", {"payload": payload}).decode()
            pages = [url(entry_id), url(entry_id, "payload"), "/admin/stream_events/stream/orders/entries/"]
            return "".join(admin.get(page).content.decode() for page in pages)

        return show

    def test_decides_what_is_shown_everywhere(self, formatted):
        page = formatted(f"{__name__}.masked")
        assert "Ana" not in page
        assert page.count("M. of 18") >= 3

    @pytest.mark.parametrize("name", ["failing", "missing"])
    def test_that_fails_shows_nothing(self, formatted, name, caplog):
        page = formatted(f"{__name__}.{name}")
        assert "Ana" not in page
        assert "hidden: the formatter failed" in page
        assert "The payload formatter" in caplog.text

    def test_gets_nothing_but_text(self, formatted):
        page = formatted(f"{__name__}.masked", b"Ana\xff")
        assert "QW5h" not in page
        assert "hidden: it is no text" in page


def masked(text):
    return f"M. of {len(text)}"


def failing(text):
    raise ValueError(text)
