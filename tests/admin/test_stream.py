"""The pages of one stream."""

import pytest
from django.contrib.admin.models import LogEntry

from stream_events import StreamPublisher
from tests.admin.test_streams import text

pytestmark = pytest.mark.django_db

URL = "/admin/stream_events/stream/orders/change/"


@pytest.fixture(autouse=True)
def _registered(registry):
    registry.register(print, stream="orders", group="billing")


def test_shows_facts_and_groups(admin, hand_out):
    hand_out(3)
    StreamPublisher("orders").add({"obj_id": 4})
    response = admin.get(URL)
    assert response.status_code == 200
    page = text(response)
    assert "Entries 4" in page
    assert "Added ever 4" in page
    assert "Deleted or trimmed 0" in page
    assert "First entry" in page
    assert (
        '<a href="/admin/stream_events/consumergroup/orders~billing/change/">billing</a>' in response.content.decode()
    )
    assert '<a href="/admin/stream_events/pendingentry/?group=orders~billing">3</a>' in response.content.decode()


def test_tabs_are_pages(admin, hand_out):
    hand_out(1)
    page = admin.get(URL).content.decode()
    for name in ("entries", "danger", "history"):
        url = f"/admin/stream_events/stream/orders/{name}/"
        assert f'href="{url}"' in page
        assert admin.get(url).status_code == 200


def test_says_that_it_does_not_exist_yet(admin):
    assert "Not created yet – appears with the first event." in text(admin.get(URL))


def test_says_how_to_begin_where_nothing_reads(admin):
    page = text(admin.get("/admin/stream_events/stream/users/change/"))
    assert "Nothing reads this stream." in page
    assert "python manage.py runconsumer users GROUP" in page


def test_says_what_a_key_of_another_type_is(admin, server):
    server.set("t:orders", "text")
    response = admin.get(URL)
    assert response.status_code == 200
    assert "The key holds a string, not a stream." in text(response)


def test_says_when_the_clocks_differ(admin, server):
    seconds, _ = server.time()
    server.xadd("t:orders", {"a": "b"}, id=f"{(seconds + 125) * 1000}-0")
    assert "in the future: clocks differ" in text(admin.get(URL))


def test_says_why_the_lag_is_unknown(admin, server, hand_out):
    hand_out(1)
    (entry_id, _) = StreamPublisher("orders").add({"obj_id": 1})
    StreamPublisher("orders").add({"obj_id": 2})
    server.xdel("t:orders", entry_id)
    assert "entries were deleted ahead of this group; Redis reports it again once the group catches up" in text(
        admin.get(URL)
    )


@pytest.mark.parametrize("path", ["change", "entries", "danger"])
@pytest.mark.parametrize("name", ["nowhere", "a~b", "~", "%", "_2F", "no way"])
def test_a_stream_that_is_not_there_is_a_404_page_inside_the_admin(admin, path, name):
    response = admin.get(f"/admin/stream_events/stream/{name}/{path}/")
    assert response.status_code == (200 if path == "danger" and name not in ("a~b", "~") else 404)
    assert "Log out" in text(response)


def test_names_of_other_programs_are_found(admin, server):
    from django.contrib.admin.utils import quote

    from stream_events.admin.names import object_id

    name = "a: b/c#d?é%~|"
    server.xadd(f"t:{name}", {"a": "b"})
    response = admin.get(f"/admin/stream_events/stream/{quote(object_id(name))}/change/")
    assert response.status_code == 200
    assert "Not declared by this project." in text(response)


def test_nothing_is_changed_by_posting(admin):
    assert admin.post(URL, {"anything": "1"}).status_code == 403
    assert admin.post("/admin/stream_events/stream/orders/entries/").status_code == 403


@pytest.mark.parametrize("verb", ["trim", "delete-stream"])
def test_the_danger_zone_leads_to_what_is_dangerous(admin, server, verb):
    server.xadd("t:orders", {"a": "b"})
    href = f"/admin/stream_events/stream/orders/order/{verb}/"
    assert f'href="{href}"' in admin.get("/admin/stream_events/stream/orders/danger/").content.decode()
    assert admin.get(href).status_code == 200


def test_a_test_event_can_be_published_to_it(admin, server):
    href = "/admin/stream_events/stream/orders/order/publish/"
    for url in (URL, "/admin/stream_events/stream/publish/"):
        assert f'href="{href}"' in admin.get(url).content.decode()
    assert 'href="/admin/stream_events/stream/publish/"' in admin.get("/admin/stream_events/stream/").content.decode()
    assert admin.get(href).status_code == 200


def test_the_danger_zone_is_hidden_without_permission(staff):
    client = staff("view_stream")
    assert "Danger zone" not in text(client.get(URL))
    assert client.get("/admin/stream_events/stream/orders/danger/").status_code == 404


def test_the_danger_zone_says_why_nothing_can_be_done(admin, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
    page = text(admin.get("/admin/stream_events/stream/orders/danger/"))
    assert page.count("Read-only: nothing is changed from these pages.") == 2  # once for the whole section


def test_what_was_done_with_it_is_a_page(admin, django_user_model):
    LogEntry.objects.log_actions(
        django_user_model.objects.get().pk, [_stream()], 2, change_message="Trimmed 3 entries.", single_object=True
    )
    page = admin.get("/admin/stream_events/stream/orders/history/").content.decode()
    assert "Trimmed 3 entries." in page
    assert 'aria-current="page">Log<' in page


def test_says_where_else_to_look_for_what_was_done_with_it(admin):
    page = text(admin.get("/admin/stream_events/stream/orders/history/"))
    assert "Nobody has changed it from these pages." in page
    assert "python manage.py streams audit" in page


def _stream():
    from stream_events.models import Stream

    return Stream(pk="orders")
