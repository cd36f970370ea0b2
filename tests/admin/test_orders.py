"""Orders: options, plan, confirmation and report; who may order, and what is written down."""

import re
from urllib.parse import quote

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import include, path

from stream_events.admin import register
from stream_events.admin.access import PERMISSIONS
from stream_events.operations.plans import Order, Target, Verb, plan
from tests.admin.forms import LETTERS, PENDING, act, boxes, confirm, form_of, send, sign_in, text
from tests.operations.acting import KEY, KEYS, bury, let_live, make_group, pending, publish, read

pytestmark = pytest.mark.django_db

LIST = f"{PENDING}?group=orders~billing"
OPERATOR = ("view_pendingentry", "ack_pendingentry", "retry_pendingentry", "claim_pendingentry")

ops = AdminSite("ops")
register(ops)
urlpatterns = [path("ops/", ops.urls), path("", include("tests.urls"))]


@pytest.fixture
def held(admin, server, registry):
    """The ids of three entries that the consumer web-1 holds."""
    registry.register(print, stream="orders", group="billing")
    publish(3)
    make_group(server)
    return read(server)


def order_url(entry_id, verb, model="pendingentry"):
    name = "~".join(["orders", "billing", entry_id] if entry_id else ["orders", "billing"])
    return f"/admin/stream_events/{model}/{name}/order/{verb}/"


def whole_url(model, name, verb):
    return f"/admin/stream_events/{model}/{name}/order/{verb}/"


def test_acknowledges_what_is_picked_after_a_yes(server, held, admin):
    preview = act(admin, LIST, "ack", boxes(admin.get(LIST))[:2])
    assert "Acknowledge 2 entries of orders/billing." in text(preview)
    assert held[0] in text(preview)
    assert "manage.py streams ack orders billing" in text(preview)
    assert len(pending(server)) == 3
    report = confirm(admin, preview)
    assert report.status_code == 200
    assert "Done: 2 acknowledged" in text(report)
    assert list(pending(server)) == held[2:]


def test_the_report_leads_back_to_the_same_filter(held, admin):
    url = f"{LIST}&min_deliveries=1&size=100"
    report = confirm(admin, act(admin, url, "ack", boxes(admin.get(url))))
    assert f'href="{url.replace("&", "&amp;")}"' in report.content.decode()


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_does_not_lead_to_another_site(held, admin, elsewhere):
    page = admin.get(order_url(held[0], "ack"), {"next": elsewhere})
    assert "elsewhere.example" not in page.content.decode()
    assert "javascript:" not in page.content.decode()
    url, hidden = form_of(page, "se-confirm")
    assert "elsewhere.example" not in admin.post(url, hidden | {"next": elsewhere}).content.decode()


def test_orders_all_that_match_without_scripts(server, held, admin):
    server.xclaim(KEY, "billing", "web-2", 0, held[:1])
    url = f"{LIST}&consumer=web-1"
    preview = act(admin, url, "ack", scope="all")
    assert "web-1" in text(preview)
    assert "Done: 2 acknowledged" in text(confirm(admin, preview))
    assert list(pending(server)) == held[:1]


def test_an_entry_that_comes_after_the_plan_is_left_alone(server, held, admin):
    preview = act(admin, LIST, "ack", scope="all")
    publish(1)
    late = read(server)
    confirm(admin, preview)
    assert list(pending(server)) == late


def test_orders_for_one_entry_begin_at_a_link(server, held, admin):
    preview = admin.get(order_url(held[1], "ack"))
    assert "Acknowledge 1 entry of orders/billing." in text(preview)
    confirm(admin, preview)
    assert list(pending(server)) == [held[0], held[2]]


def test_skips_what_somebody_took_since_the_list_was_shown(server, held, admin):
    picked = boxes(admin.get(LIST))
    server.xclaim(KEY, "billing", "worker-7", 0, held[:2])
    report = confirm(admin, act(admin, LIST, "ack", picked))
    assert "1 acknowledged · 2 skipped: taken by worker-7 since you looked" in text(report)
    assert list(pending(server)) == held[:2]
    assert all(entry_id in text(report) for entry_id in held[:2])


def test_two_operators_with_the_same_plan_both_get_a_true_report(server, held):
    ana, ben = (sign_in(name, *OPERATOR) for name in ("ana", "ben"))
    plans = [act(client, LIST, "ack", boxes(client.get(LIST))) for client in (ana, ben)]
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
    options = act(admin, LIST, "claim", boxes(admin.get(LIST))[:1])
    assert "orders · billing: 1 entry" in text(options)
    preview = send(admin, options, "se-options", consumer="web-2")
    assert "Give 1 entry of orders/billing to web-2." in text(preview)
    confirm(admin, preview)
    assert pending(server)[held[0]][0] == "web-2"


def test_options_that_make_no_sense_are_asked_for_again(server, held, admin):
    options = admin.get(whole_url("consumergroup", "orders~billing", "reset"))
    wrong = send(admin, options, "se-options", place="entry", entry="nonsense")
    assert wrong.status_code == 400
    assert "is no entry id" in text(wrong)
    missing = send(admin, wrong, "se-options", place="time", time="")
    assert "Needed for what you chose above." in text(missing)


def test_a_new_position_needs_the_name_of_the_group(server, held, admin):
    options = admin.get(whole_url("consumergroup", "orders~billing", "reset"))
    preview = send(admin, options, "se-options", place="beginning")
    assert "Before" in text(preview)
    wrong = confirm(admin, preview, name="care")
    assert "Type “billing” to confirm. Nothing was changed." in text(wrong)
    assert server.xinfo_groups(KEY)[0]["last-delivered-id"].decode() == held[-1]
    assert "Done:" in text(confirm(admin, wrong, name="billing"))
    assert server.xinfo_groups(KEY)[0]["last-delivered-id"] == b"0-0"


def test_a_plan_that_is_refused_has_no_button(server, held, admin):
    let_live(server)
    options = admin.get(whole_url("consumergroup", "orders~billing", "reset"))
    preview = send(admin, options, "se-options", place="beginning")
    assert "This cannot be done:" in text(preview)
    assert form_of(preview, "se-confirm") is None


def test_publishes_with_one_form_and_once(server, admin, registry):
    options = admin.get(whole_url("stream", "orders", "publish"))
    report = send(admin, options, "se-options", payload='{"obj_id": 7}')
    assert "1 published" in text(report)
    send(admin, options, "se-options", payload='{"obj_id": 7}')
    assert server.xlen(KEY) == 1
    assert LogEntry.objects.get().object_id == "orders"


@pytest.mark.parametrize("payload", ["", "{", "[1]", "7"])
def test_publishes_nothing_but_objects(server, admin, registry, payload):
    options = admin.get(whole_url("stream", "orders", "publish"))
    assert send(admin, options, "se-options", payload=payload).status_code == 400
    assert not server.exists(KEY)


def test_deletes_a_stream_by_its_name(server, held, admin):
    preview = admin.get(whole_url("stream", "orders", "delete-stream"))
    assert "Done:" in text(confirm(admin, preview, name="orders"))
    assert not server.exists(KEY)


def test_trims_to_a_length(server, held, admin):
    options = admin.get(whole_url("stream", "orders", "trim"))
    preview = send(admin, options, "se-options", place="length", length="1")
    confirm(admin, preview, name="orders")
    assert server.xlen(KEY) == 1


def test_trims_to_nothing(server, held, admin):
    options = admin.get(whole_url("stream", "orders", "trim"))
    preview = send(admin, options, "se-options", place="length", length="0")
    confirm(admin, preview, name="orders")
    assert server.xlen(KEY) == 0


def test_deletes_a_consumer_and_hands_back_what_it_holds(server, held, admin):
    let_live(server, seconds=-60)
    options = admin.get(whole_url("consumer", "orders~billing~web-1", "delete-consumer"))
    preview = send(admin, options, "se-options", move="on")
    name = re.search(r"Type “([^”]*)”", text(preview))[1]
    confirm(admin, preview, name=name)
    assert {owner for owner, _count in pending(server).values()} == {"~retry"}


def test_appends_entries_again(server, held, admin):
    preview = admin.get(whole_url("stream", "orders", "replay"), {"ids": ",".join(held[:2])})
    confirm(admin, preview)
    assert server.xlen(KEY) == 5


# Who may


@pytest.mark.parametrize("verb", ["ack", "retry", "claim", "dead"])
def test_forged_posts_of_a_viewer_do_nothing(server, held, verb):
    viewer, operator = (
        sign_in("viewer", "view_pendingentry"),
        sign_in("operator", *OPERATOR, "deadletter_pendingentry"),
    )
    before = pending(server)
    operators = act(operator, LIST, verb, boxes(operator.get(LIST)))
    _, hidden = form_of(operators, "se-confirm") or form_of(operators, "se-options")
    assert act(viewer, LIST, verb, boxes(operator.get(LIST))).status_code == 403
    assert viewer.get(order_url(held[0], verb)).status_code == 403
    assert viewer.post(order_url("", verb), hidden | {"confirm": "yes", "consumer": "web-1"}).status_code == 403
    assert pending(server) == before
    assert not LogEntry.objects.exists()


def test_a_viewer_is_offered_nothing(held):
    page = sign_in("viewer", "view_pendingentry").get(LIST)
    assert boxes(page) == []
    assert "/order/" not in page.content.decode()


def test_a_slice_asks_for_the_permission_again(server, held):
    client = sign_in("ana", *OPERATOR)
    preview = act(client, LIST, "ack", boxes(client.get(LIST)))
    User.objects.get(username="ana").user_permissions.clear()
    assert confirm(client, preview).status_code == 403
    assert len(pending(server)) == 3


def test_a_plan_of_another_user_is_refused(server, held):
    ana, ben = (sign_in(name, *OPERATOR) for name in ("ana", "ben"))
    url, hidden = form_of(act(ana, LIST, "ack", boxes(ana.get(LIST))), "se-confirm")
    refused = ben.post(url, hidden)
    assert refused.status_code == 400
    assert "made for somebody else" in text(refused)
    assert "Nothing was changed." in text(refused)
    assert len(pending(server)) == 3


def test_a_plan_of_another_verb_or_group_is_refused(server, held, admin):
    _, hidden = form_of(act(admin, LIST, "ack", boxes(admin.get(LIST))), "se-confirm")
    for url in (order_url("", "dead"), whole_url("pendingentry", "orders~care", "ack")):
        assert admin.post(url, hidden).status_code == 400
    assert len(pending(server)) == 3


CHANGES = {"cut": ("", -1), "more": ("x", None), "empty": ("", 0), "other": ("é:", 9)}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("field", ["plan", "draft", "batch"])
def test_a_form_that_was_changed_is_refused(server, held, admin, field, change):
    url, hidden = form_of(act(admin, LIST, "ack", boxes(admin.get(LIST))), "se-confirm")
    begin, end = CHANGES[change]
    refused = admin.post(url, {field: begin + hidden["plan"][:end]})
    assert refused.status_code == 400
    assert len(pending(server)) == 3


def test_a_box_that_was_changed_is_refused(server, held, admin):
    box = boxes(admin.get(LIST))[0]
    answer = act(admin, LIST, "ack", [box[:-1] + ("a" if box[-1] != "a" else "b")])
    assert answer.status_code == 302
    assert "changed on its way" in admin.get(LIST).content.decode()


def test_an_old_plan_is_refused(server, held, admin, monkeypatch):
    preview = act(admin, LIST, "ack", boxes(admin.get(LIST)))
    monkeypatch.setattr("stream_events.admin.seals.LOOK", -1)
    monkeypatch.setattr("stream_events.admin.seals.Seal.open.__defaults__", (-1,))
    refused = confirm(admin, preview)
    assert "This form is too old" in text(refused)
    assert len(pending(server)) == 3


def test_nothing_is_changed_while_read_only(server, held, admin, settings):
    preview = act(admin, LIST, "ack", boxes(admin.get(LIST)))
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
    assert confirm(admin, preview).status_code == 403
    assert admin.get(order_url(held[0], "ack")).status_code == 403
    assert act(admin, LIST, "ack", boxes(admin.get(LIST)), scope="all").status_code == 403
    assert boxes(admin.get(LIST)) == []
    assert len(pending(server)) == 3


def test_every_post_needs_a_token_of_the_site(server, held):
    client = sign_in("ana", *OPERATOR, enforce_csrf_checks=True)
    url, hidden = form_of(client.get(order_url(held[0], "ack")), "se-confirm")
    assert client.post(url, hidden).status_code == 403
    assert act(client, LIST, "ack", boxes(client.get(LIST))).status_code == 403
    assert len(pending(server)) == 3


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_only_post_changes_anything(held, admin, method):
    assert getattr(admin, method)(order_url(held[0], "ack")).status_code == 405


def test_an_order_for_what_is_gone_says_so(server, held, admin):
    server.xack(KEY, "billing", held[0])
    assert admin.get(order_url(held[0], "ack")).status_code == 404
    assert admin.get(order_url(held[0], "fly")).status_code == 404


def test_nothing_selected_is_said_and_nothing_done(server, held, admin):
    assert act(admin, LIST, "ack").status_code == 302
    assert "Nothing is selected" in admin.get(LIST).content.decode()


@pytest.mark.parametrize("verb", Verb)
def test_asks_for_the_permission_that_the_plan_names(server, held, verb):
    targets = (Target(held[0]),) if verb in ("ack", "claim", "retry", "dead", "requeue", "discard", "replay") else ()
    options = {
        Verb.CLAIM: {"consumer": "web-1"},
        Verb.RESET: {"to": "0"},
        Verb.TRIM: {"maxlen": "1"},
        Verb.DELETE_CONSUMER: {"consumer": "web-1"},
        Verb.PUBLISH: {"payload": "{}"},
    }
    group = "" if verb in ("trim", "delete-stream", "publish", "replay") else "billing"
    order = Order(verb=verb, stream="orders", group=group, targets=targets, options=options.get(verb, {}))
    assert plan(order).permission == PERMISSIONS[verb]


# What is written down


def test_each_entry_gets_a_row_in_the_log_of_the_admin(held, admin):
    confirm(admin, act(admin, LIST, "ack", boxes(admin.get(LIST))[:2]))
    rows = LogEntry.objects.order_by("object_id")
    assert [row.object_id for row in rows] == [f"orders~billing~{one}" for one in held[:2]]
    assert rows[0].change_message == "2 acknowledged"


def test_the_history_of_an_entry_shows_what_was_done(held, admin):
    confirm(admin, admin.get(order_url(held[0], "ack")))
    page = admin.get(f"{PENDING}orders~billing~{held[0]}/history/")
    assert page.status_code == 200
    assert "1 acknowledged" in page.content.decode()


def test_a_filter_gets_one_row_on_the_group(held, admin):
    confirm(admin, act(admin, f"{LIST}&consumer=web-1", "ack", scope="all"))
    row = LogEntry.objects.get()
    assert (row.content_type.model, row.object_id) == ("consumergroup", "orders~billing")
    assert "3 acknowledged" in row.change_message
    assert "consumer: web-1" in row.change_message


# Other sites


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
