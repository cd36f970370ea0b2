"""What is written down of orders, and reports that can be reloaded."""

import pytest
from django.contrib.admin.models import LogEntry

from stream_events.admin.orders import pages as orders
from stream_events.operations.audit import acts
from stream_events.operations.plans import Limit
from tests.admin.forms import OPERATOR, PENDING, PENDING_LIST, act, boxes, confirm, go_on, order_url, sign_in, text

pytestmark = pytest.mark.django_db


def test_each_entry_gets_a_row_in_the_log_of_the_admin(held, admin):
    confirm(admin, act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST))[:2]))
    rows = LogEntry.objects.order_by("object_id")
    assert [row.object_id for row in rows] == [f"orders~billing~{one}" for one in held[:2]]
    assert rows[0].change_message == "2 acknowledged"


def test_the_audit_names_the_user(held, admin):
    confirm(admin, admin.get(order_url("ack", "orders", "billing", held[0])))
    (act,) = acts().rows
    assert (act.actor, act.via, act.verb, act.done) == ("root", "admin", "ack", 1)


def test_a_report_can_be_reloaded(held, admin):
    report = confirm(admin, admin.get(order_url("ack", "orders", "billing", held[0])))
    again = admin.get(report.request["PATH_INFO"], QUERY_STRING=report.request["QUERY_STRING"])
    assert "Done: 1 acknowledged" in text(report)
    assert "Done: 1 acknowledged" in text(again)
    assert LogEntry.objects.count() == 1


def test_a_report_is_for_who_ordered(held, admin):
    report = confirm(admin, admin.get(order_url("ack", "orders", "billing", held[0])))
    ana = sign_in("ana", *OPERATOR)
    assert ana.get(report.request["PATH_INFO"], QUERY_STRING=report.request["QUERY_STRING"]).status_code == 400


def test_the_history_of_an_entry_shows_what_was_done(held, admin):
    confirm(admin, admin.get(order_url("ack", "orders", "billing", held[0])))
    page = admin.get(f"{PENDING}orders~billing~{held[0]}/history/")
    assert page.status_code == 200
    assert "1 acknowledged" in page.content.decode()


def test_what_takes_several_slices_gets_one_row_on_the_group(held, admin, monkeypatch):
    monkeypatch.setattr(orders, "AT_ONCE", Limit(rows=2))
    page = confirm(admin, act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST))))
    assert "Done: 3 acknowledged" in text(go_on(admin, page))
    row = LogEntry.objects.get()
    assert row.object_id == "orders~billing"
    assert "3 acknowledged" in row.change_message


def test_a_filter_gets_one_row_on_the_group(held, admin):
    confirm(admin, act(admin, f"{PENDING_LIST}&consumer=web-1", "ack", scope="all"))
    row = LogEntry.objects.get()
    assert (row.content_type.model, row.object_id) == ("consumergroup", "orders~billing")
    assert "3 acknowledged" in row.change_message
    assert "consumer: web-1" in row.change_message
