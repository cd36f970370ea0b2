"""Who may order: nobody else changes anything, whatever is sent."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from stream_events.admin.access import PERMISSIONS
from stream_events.operations.plans import Order, Target, Verb, plan
from tests.admin.forms import OPERATOR, PENDING_LIST, act, boxes, confirm, form_of, order_url, sign_in, text
from tests.operations.acting import KEY, pending

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("verb", ["ack", "retry", "claim", "dead"])
def test_forged_posts_of_a_viewer_do_nothing(server, held, verb):
    viewer, operator = (
        sign_in("viewer", "view_pendingentry"),
        sign_in("operator", *OPERATOR, "deadletter_pendingentry"),
    )
    before = pending(server)
    operators = act(operator, PENDING_LIST, verb, boxes(operator.get(PENDING_LIST)))
    _, hidden = form_of(operators, "se-confirm") or form_of(operators, "se-options")
    assert act(viewer, PENDING_LIST, verb, boxes(operator.get(PENDING_LIST))).status_code == 403
    assert viewer.get(order_url(verb, "orders", "billing", held[0])).status_code == 403
    forged = hidden | {"confirm": "yes", "consumer": "web-1"}
    assert viewer.post(order_url(verb, "orders", "billing"), forged).status_code == 403
    assert pending(server) == before
    assert not LogEntry.objects.exists()


def test_a_viewer_is_offered_nothing(held):
    page = sign_in("viewer", "view_pendingentry").get(PENDING_LIST)
    assert boxes(page) == []
    assert "/order/" not in page.content.decode()


def test_a_slice_asks_for_the_permission_again(server, held):
    client = sign_in("ana", *OPERATOR)
    preview = act(client, PENDING_LIST, "ack", boxes(client.get(PENDING_LIST)))
    User.objects.get(username="ana").user_permissions.clear()
    assert confirm(client, preview).status_code == 403
    assert len(pending(server)) == 3


def test_a_plan_of_another_user_is_refused(server, held):
    ana, ben = (sign_in(name, *OPERATOR) for name in ("ana", "ben"))
    url, hidden = form_of(act(ana, PENDING_LIST, "ack", boxes(ana.get(PENDING_LIST))), "se-confirm")
    refused = ben.post(url, hidden)
    assert refused.status_code == 400
    assert "made for somebody else" in text(refused)
    assert "Nothing was changed." in text(refused)
    assert len(pending(server)) == 3


def test_a_plan_of_another_verb_or_group_is_refused(server, held, admin):
    _, hidden = form_of(act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST))), "se-confirm")
    for url in (order_url("dead", "orders", "billing"), order_url("ack", "orders", "care")):
        assert admin.post(url, hidden).status_code == 400
    assert len(pending(server)) == 3


CHANGES = {"cut": ("", -1), "more": ("x", None), "empty": ("", 0), "other": ("é:", 9)}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("field", ["plan", "draft", "batch"])
def test_a_form_that_was_changed_is_refused(server, held, admin, field, change):
    url, hidden = form_of(act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST))), "se-confirm")
    begin, end = CHANGES[change]
    refused = admin.post(url, {field: begin + hidden["plan"][:end]})
    assert refused.status_code == 400
    assert len(pending(server)) == 3


def test_a_box_that_was_changed_is_refused(server, held, admin):
    box = boxes(admin.get(PENDING_LIST))[0]
    answer = act(admin, PENDING_LIST, "ack", [box[:-1] + ("a" if box[-1] != "a" else "b")])
    assert answer.status_code == 302
    assert "changed on its way" in admin.get(PENDING_LIST).content.decode()


def test_an_old_plan_is_refused(server, held, admin, monkeypatch):
    preview = act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST)))
    monkeypatch.setattr("stream_events.admin.orders.seals.LOOK", -1)
    monkeypatch.setattr("stream_events.admin.orders.seals.Seal.open.__defaults__", (-1,))
    refused = confirm(admin, preview)
    assert "This form is too old" in text(refused)
    assert len(pending(server)) == 3


def test_nothing_is_changed_while_read_only(server, held, admin, settings):
    preview = act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST)))
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
    assert confirm(admin, preview).status_code == 403
    assert admin.get(order_url("ack", "orders", "billing", held[0])).status_code == 403
    assert act(admin, PENDING_LIST, "ack", boxes(admin.get(PENDING_LIST)), scope="all").status_code == 403
    assert boxes(admin.get(PENDING_LIST)) == []
    assert len(pending(server)) == 3


def test_every_post_needs_a_token_of_the_site(server, held):
    client = sign_in("ana", *OPERATOR, enforce_csrf_checks=True)
    url, hidden = form_of(client.get(order_url("ack", "orders", "billing", held[0])), "se-confirm")
    assert client.post(url, hidden).status_code == 403
    assert act(client, PENDING_LIST, "ack", boxes(client.get(PENDING_LIST))).status_code == 403
    assert len(pending(server)) == 3


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_only_post_changes_anything(held, admin, method):
    assert getattr(admin, method)(order_url("ack", "orders", "billing", held[0])).status_code == 405


def test_an_order_for_what_is_gone_says_so(server, held, admin):
    server.xack(KEY, "billing", held[0])
    assert admin.get(order_url("ack", "orders", "billing", held[0])).status_code == 404
    assert admin.get(order_url("fly", "orders", "billing", held[0])).status_code == 404


def test_nothing_selected_is_said_and_nothing_done(server, held, admin):
    assert act(admin, PENDING_LIST, "ack").status_code == 302
    assert "Nothing is selected" in admin.get(PENDING_LIST).content.decode()


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
