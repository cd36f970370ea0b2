"""Big orders: slice by slice, stopped and continued, with every dead letter requeued once."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from stream_events.admin.orders import pages as orders
from stream_events.operations.audit import acts
from stream_events.operations.plans import Limit
from tests.admin.forms import LETTERS, act, confirm, form_of, go_on, send, sign_in, text
from tests.operations.acting import KEYS, REQUEUED, bury, make_group

pytestmark = pytest.mark.django_db

LIST = f"{LETTERS}?group=orders~billing"


@pytest.fixture
def group(server, admin, registry):
    registry.register(print, stream="orders", group="billing")
    make_group(server)


@pytest.fixture
def _small_slices(monkeypatch):
    monkeypatch.setattr(orders, "AT_ONCE", Limit(rows=100))
    monkeypatch.setattr(orders, "SLICE", Limit(rows=100))


def requeued(server):
    """The ids of the entries of what was requeued, as often as they were."""
    return [fields[b"requeued_entry_id"].decode() for _, fields in server.xrange(REQUEUED.stream)]


def begin(client, action="requeue"):
    preview = act(client, LIST, action, scope="all")
    return confirm(client, preview, name="billing")


def finish(client, page):
    while form_of(page, "se-continue"):
        page = go_on(client, page)
    return page


def test_five_thousand_are_requeued_once_in_slices_of_which_one_is_repeated(server, group, admin):
    bury(server, 5000)
    page = begin(admin)
    assert "So far: 1,000 requeued" in text(page)
    assert "1,000 of 5,000 looked at" in text(page)
    assert '<progress id="se-progress" value="1000" max="5000">' in page.content.decode()
    lost = go_on(admin, page)
    assert "So far: 3,000 requeued" in text(lost)
    report = finish(admin, go_on(admin, page))
    assert "Done:" in text(report)
    assert sorted(requeued(server)) == sorted(f"1700000000000-{number}" for number in range(5000))
    assert server.xlen(KEYS.dead) == 0


@pytest.mark.slow
def test_fifty_thousand_are_requeued_once_although_they_were_left_in_the_middle(server, group, admin):
    for start in range(0, 50_000, 5000):
        bury(server, 5000, start)
    page = begin(admin)
    for _ in range(10):
        page = go_on(admin, page)
    assert server.xlen(REQUEUED.stream) == 21_000
    go_on(admin, page)  # an answer that never arrives
    later = Client()  # another browser, in which the same user has the page
    later.force_login(page.wsgi_request.user)
    report = finish(later, go_on(later, page))
    assert "Done: 48,000 requeued" in text(report)
    assert sorted(requeued(server)) == sorted(f"1700000000000-{number}" for number in range(50_000))
    assert server.xlen(KEYS.dead) == 0
    assert sum(act.done for act in acts(size=100).rows) == 50_000
    assert len({act.batch for act in acts(size=100).rows}) == 1


@pytest.mark.usefixtures("_small_slices")
def test_stops_with_a_report_and_goes_on_from_there(server, group, admin):
    bury(server, 250)
    page = begin(admin)
    stopped = send(admin, page, "se-continue", stop="yes")
    assert "Stopped: 100 requeued" in text(stopped)
    assert server.xlen(KEYS.dead) == 150
    assert "data-goes-on" not in stopped.content.decode()
    assert "Back to where you were" in text(stopped)
    report = finish(admin, stopped)
    assert "Done: 250 requeued" in text(report)
    assert len(set(requeued(server))) == 250


@pytest.mark.usefixtures("_small_slices")
def test_what_dies_meanwhile_is_left_alone(server, group, admin):
    bury(server, 150)
    page = begin(admin)
    late = bury(server, 5)
    finish(admin, page)
    assert [one.decode() for one, _ in server.xrange(KEYS.dead)] == late


@pytest.mark.usefixtures("_small_slices")
def test_a_batch_is_one_row_in_the_log_of_the_admin(server, group, admin):
    bury(server, 250)
    page = begin(admin)
    assert "100 requeued" in LogEntry.objects.get().change_message
    finish(admin, page)
    row = LogEntry.objects.get()
    assert (row.content_type.model, row.object_id) == ("consumergroup", "orders~billing")
    assert "250 requeued" in row.change_message


@pytest.mark.usefixtures("_small_slices")
def test_two_batches_are_two_rows(server, group, admin):
    for _ in range(2):
        bury(server, 150)
        finish(admin, begin(admin))
    assert LogEntry.objects.count() == 2


@pytest.mark.usefixtures("_small_slices")
def test_every_slice_asks_for_the_permission(server, group):
    client = sign_in("ana", "view_deadletter", "requeue_deadletter")
    other = sign_in("ben", "view_deadletter", "requeue_deadletter")
    bury(server, 250)
    page = begin(client)
    assert go_on(other, page).status_code == 400
    client.get(LIST).wsgi_request.user.user_permissions.clear()
    assert go_on(client, page).status_code == 403
    assert server.xlen(KEYS.dead) == 150


@pytest.mark.usefixtures("_small_slices")
def test_read_only_mode_ends_a_batch(server, group, admin, settings):
    bury(server, 250)
    page = begin(admin)
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
    assert go_on(admin, page).status_code == 403
    assert server.xlen(KEYS.dead) == 150


@pytest.mark.usefixtures("_small_slices")
def test_a_slice_that_redis_does_not_answer_can_be_done_again(server, group, admin, settings):
    bury(server, 250)
    page = begin(admin)
    right = settings.STREAM_EVENTS
    settings.STREAM_EVENTS = {**right, "URL": "redis://127.0.0.1:1/0"}
    failed = go_on(admin, page)
    assert failed.status_code == 503
    assert "Cannot reach Redis" in text(failed)
    assert "Nothing is lost" in text(failed)
    settings.STREAM_EVENTS = right
    assert "Done: 250 requeued" in text(finish(admin, failed))


@pytest.mark.usefixtures("_small_slices")
def test_discarding_all_needs_the_name(server, group, admin):
    bury(server, 250)
    preview = act(admin, LIST, "discard", scope="all")
    assert "Type “billing” to confirm" in text(preview)
    assert "Nothing was changed" in text(confirm(admin, preview, name=""))
    assert server.xlen(KEYS.dead) == 250
    assert "Done: 250 discarded" in text(finish(admin, begin(admin, "discard")))
    assert server.xlen(KEYS.dead) == 0


@pytest.mark.usefixtures("_small_slices")
def test_pages_of_a_batch_neither_refresh_themselves_nor_hold_scripts(server, group, admin):
    bury(server, 150)
    preview = act(admin, LIST, "requeue", scope="all")
    for page in (preview, confirm(admin, preview)):
        html = page.content.decode()
        assert "refresh.js" not in html
        assert "http-equiv" not in html
        assert " onclick" not in html
        assert "<script>" not in html
        assert 'style="' not in html
