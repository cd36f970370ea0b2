"""Orders: options, plan, confirmation and report."""

import re
from urllib.parse import quote

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.urls import include, path

from stream_events.admin import register
from tests.admin.forms import (
    LETTERS,
    OPERATOR,
    PENDING_LIST,
    act,
    boxes,
    confirm,
    form_of,
    order_url,
    send,
    sign_in,
    text,
)
from tests.operations.acting import KEY, KEYS, bury, let_live, pending, publish, read

pytestmark = pytest.mark.django_db

ops = AdminSite("ops")
register(ops)
urlpatterns = [path("ops/", ops.urls), path("", include("tests.urls"))]


def test_acknowledges_what_is_picked_after_a_yes(server, held, admin):
    preview = act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST))[:2])
    assert "Acknowledge 2 entries of orders/billing." in text(preview)
    assert held[0] in text(preview)
    assert "manage.py streams ack orders billing" in text(preview)
    assert len(pending(server)) == 3
    report = confirm(admin, preview)
    assert report.status_code == 200
    assert "Done: 2 acknowledged" in text(report)
    assert list(pending(server)) == held[2:]


def test_the_report_leads_back_to_the_same_filter(held, admin):
    url = f"{PENDING_LIST}&min_deliveries=1&size=100"
    report = confirm(admin, act(admin, url, "ack", boxes(admin.get(url))))
    assert f'href="{url.replace("&", "&amp;")}"' in report.content.decode()


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_does_not_lead_to_another_site(held, admin, elsewhere):
    page = admin.get(order_url("ack", "orders", "billing", held[0]), {"next": elsewhere})
    assert "elsewhere.example" not in page.content.decode()
    assert "javascript:" not in page.content.decode()
    url, hidden = form_of(page, "se-confirm")
    assert "elsewhere.example" not in admin.post(url, hidden | {"next": elsewhere}).content.decode()


def test_orders_all_that_match_without_scripts(server, held, admin):
    server.xclaim(KEY, "billing", "web-2", 0, held[:1])
    url = f"{PENDING_LIST}&consumer=web-1"
    preview = act(admin, url, "ack", scope="all")
    assert "web-1" in text(preview)
    assert "Done: 2 acknowledged" in text(confirm(admin, preview))
    assert list(pending(server)) == held[:1]


def test_an_entry_that_comes_after_the_plan_is_left_alone(server, held, admin):
    preview = act(admin, PENDING_LIST, "ack", scope="all")
    publish(1)
    late = read(server)
    confirm(admin, preview)
    assert list(pending(server)) == late


def test_orders_for_one_entry_begin_at_a_link(server, held, admin):
    preview = admin.get(order_url("ack", "orders", "billing", held[1]))
    assert "Acknowledge 1 entry of orders/billing." in text(preview)
    confirm(admin, preview)
    assert list(pending(server)) == [held[0], held[2]]


def test_skips_what_somebody_took_since_the_list_was_shown(server, held, admin):
    picked = boxes(admin.get(PENDING_LIST))
    server.xclaim(KEY, "billing", "worker-7", 0, held[:2])
    report = confirm(admin, act(admin, PENDING_LIST, "ack", picked))
    assert "1 acknowledged · 2 skipped: taken by worker-7 since you looked" in text(report)
    assert list(pending(server)) == held[:2]
    assert all(entry_id in text(report) for entry_id in held[:2])


def test_two_operators_with_the_same_plan_both_get_a_true_report(server, held):
    ana, ben = (sign_in(name, *OPERATOR) for name in ("ana", "ben"))
    plans = [act(client, PENDING_LIST, "ack", boxes(client.get(PENDING_LIST))) for client in (ana, ben)]
    assert "Done: 3 acknowledged" in text(confirm(ana, plans[0]))
    assert "0 acknowledged · 3 skipped: acknowledged already" in text(confirm(ben, plans[1]))
    assert LogEntry.objects.filter(user__username="ana").count() == 3
    assert not LogEntry.objects.filter(user__username="ben").exists()


def test_a_repeated_confirmation_does_nothing_twice(server, held, admin):
    bury(server, 2)
    preview = act(admin, f"{LETTERS}?group=orders~billing", "requeue", scope="all")
    assert "2 requeued" in text(confirm(admin, preview))
    assert "0 requeued" in text(confirm(admin, preview))
    assert server.xlen(KEYS.requeue) == 2


def test_claims_for_the_consumer_that_is_chosen(server, held, admin):
    server.xgroup_createconsumer(KEY, "billing", "web-2")
    let_live(server, "web-2")
    options = act(admin, PENDING_LIST, "claim", boxes(admin.get(PENDING_LIST))[:1])
    assert "orders · billing: 1 entry" in text(options)
    preview = send(admin, options, "se-options", consumer="web-2")
    assert "Give 1 entry of orders/billing to web-2." in text(preview)
    confirm(admin, preview)
    assert pending(server)[held[0]][0] == "web-2"


def test_claims_what_is_idle_for_long_enough(server, held, admin):
    server.xclaim(KEY, "billing", "web-1", 0, held[:1], idle=600_000)
    server.xgroup_createconsumer(KEY, "billing", "web-2")
    let_live(server, "web-2")
    options = admin.get(order_url("claim", "orders", "billing"))
    confirm(admin, send(admin, options, "se-options", consumer="web-2", min_idle="300"))
    assert [owner for owner, _count in pending(server).values()] == ["web-2", "web-1", "web-1"]


def test_options_that_make_no_sense_are_asked_for_again(server, held, admin):
    options = admin.get(order_url("reset", "orders", "billing", model="consumergroup"))
    wrong = send(admin, options, "se-options", place="entry", entry="nonsense")
    assert wrong.status_code == 400
    assert "is no entry id" in text(wrong)
    missing = send(admin, wrong, "se-options", place="time", time="")
    assert "Needed for what you chose above." in text(missing)


def test_a_new_position_needs_the_name_of_the_group(server, held, admin):
    options = admin.get(order_url("reset", "orders", "billing", model="consumergroup"))
    preview = send(admin, options, "se-options", place="beginning")
    assert "Before" in text(preview)
    wrong = confirm(admin, preview, name="care")
    assert "Type “billing” to confirm. Nothing was changed." in text(wrong)
    assert server.xinfo_groups(KEY)[0]["last-delivered-id"].decode() == held[-1]
    assert "Done:" in text(confirm(admin, wrong, name="billing"))
    assert server.xinfo_groups(KEY)[0]["last-delivered-id"] == b"0-0"


def test_a_plan_that_is_refused_has_no_button(server, held, admin):
    let_live(server)
    options = admin.get(order_url("reset", "orders", "billing", model="consumergroup"))
    preview = send(admin, options, "se-options", place="beginning")
    assert "This cannot be done:" in text(preview)
    assert form_of(preview, "se-confirm") is None


def test_publishes_with_one_form_and_once(server, admin, registry):
    options = admin.get(order_url("publish", "orders", model="stream"))
    report = send(admin, options, "se-options", payload='{"obj_id": 7}')
    assert "1 published" in text(report)
    send(admin, options, "se-options", payload='{"obj_id": 7}')
    assert server.xlen(KEY) == 1
    assert LogEntry.objects.get().object_id == "orders"


@pytest.mark.parametrize("payload", ["", "{", "[1]", "7"])
def test_publishes_nothing_but_objects(server, admin, registry, payload):
    options = admin.get(order_url("publish", "orders", model="stream"))
    assert send(admin, options, "se-options", payload=payload).status_code == 400
    assert not server.exists(KEY)


def test_deletes_a_stream_by_its_name(server, held, admin):
    preview = admin.get(order_url("delete-stream", "orders", model="stream"))
    assert "Done:" in text(confirm(admin, preview, name="orders"))
    assert not server.exists(KEY)


def test_an_old_confirmation_does_not_touch_the_next_group_of_that_name(server, held, admin):
    options = admin.get(order_url("delete-group", "orders", "billing", model="consumergroup"))
    preview = send(admin, options, "se-options")
    assert "1 group deleted" in text(confirm(admin, preview, name="billing"))
    server.xgroup_create(KEY, "billing", id="0")
    again = confirm(admin, preview, name="billing")
    assert "This was confirmed before" in text(again)
    assert server.xinfo_groups(KEY)
    confirm(admin, again, name="billing")
    assert server.xinfo_groups(KEY) == []


def test_trims_to_a_length(server, held, admin):
    options = admin.get(order_url("trim", "orders", model="stream"))
    preview = send(admin, options, "se-options", place="length", length="1")
    confirm(admin, preview, name="orders")
    assert server.xlen(KEY) == 1


def test_trims_to_nothing(server, held, admin):
    options = admin.get(order_url("trim", "orders", model="stream"))
    preview = send(admin, options, "se-options", place="length", length="0")
    confirm(admin, preview, name="orders")
    assert server.xlen(KEY) == 0


def test_deletes_a_consumer_and_hands_back_what_it_holds(server, held, admin):
    let_live(server, seconds=-60)
    options = admin.get(order_url("delete-consumer", "orders", "billing", "web-1", model="consumer"))
    preview = send(admin, options, "se-options", move="on")
    name = re.search(r"Type “([^”]*)”", text(preview))[1]
    confirm(admin, preview, name=name)
    assert {owner for owner, _count in pending(server).values()} == {"~retry"}


def test_appends_entries_again(server, held, admin):
    preview = admin.get(order_url("replay", "orders", model="stream"), {"ids": ",".join(held[:2])})
    confirm(admin, preview)
    assert server.xlen(KEY) == 5


@pytest.mark.urls("tests.admin.test_orders")
def test_another_site_keeps_its_operators(server, held, admin):
    url = f"/ops/stream_events/pendingentry/?group={quote('orders~billing')}"
    listed = admin.get(url)
    preview = act(admin, url, "ack", boxes(listed)[:2])
    report = confirm(admin, preview)
    detail = admin.get(f"/ops/stream_events/pendingentry/orders~billing~{held[2]}/change/")
    history = admin.get(f"/ops/stream_events/pendingentry/orders~billing~{held[0]}/history/")
    for page in (listed, preview, report, detail, history):
        assert page.status_code == 200
        assert "/admin/stream_events" not in page.content.decode()
        assert 'href="/admin/' not in page.content.decode()
    assert len(pending(server)) == 1
