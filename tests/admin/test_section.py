"""The section as a whole: permissions, other sites, other commands, and Redis gone."""

import io
import re

import pytest
from django.apps import apps
from django.contrib.admin import ModelAdmin, site
from django.contrib.auth.models import Permission
from django.core.management import call_command

from stream_events.admin import register
from stream_events.models import PendingEntry, Stream

REDIS_PAGES = ["stream", "consumergroup", "pendingentry", "deadletter", "consumer"]
DETAILS = ["stream/orders/change", "stream/orders/entries", "stream/orders~1-0/entry"]
DETAILS += ["consumergroup/orders~billing/change", "consumer/orders~billing~worker/change"]
DETAILS += ["stream/orders/history", "pendingentry/orders~billing~1-0/change", "deadletter/orders~billing~1-0/change"]
PAGES = [*REDIS_PAGES, "outboxevent"]

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_is_one_section_with_its_pages(admin):
    page = admin.get("/admin/").content.decode()
    assert "Stream events" in page
    assert all(f"/admin/stream_events/{name}/" in page for name in PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_its_permission(staff, name):
    assert staff().get(f"/admin/stream_events/{name}/").status_code == 403
    assert "stream_events" not in staff_index(staff)


def staff_index(staff):
    from django.test import Client

    client = Client()
    client.force_login(apps.get_model("auth.User").objects.get(username="staff"))
    return client.get("/admin/").content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_the_view_permission_is_enough_to_look(staff, name):
    client = staff(f"view_{name}")
    assert client.get(f"/admin/stream_events/{name}/").status_code == 200
    assert client.get(f"/admin/stream_events/{name}/add/").status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_nobody_can_add_change_or_delete(admin, name):
    assert admin.get(f"/admin/stream_events/{name}/add/").status_code == 403
    assert admin.post(f"/admin/stream_events/{name}/orders/delete/").status_code == 403
    assert admin.post(f"/admin/stream_events/{name}/orders/change/").status_code in (302, 403)  # by Django's version
    assert f"/stream_events/{name}/add/" not in admin.get(f"/admin/stream_events/{name}/").content.decode()


def test_there_are_only_permissions_that_mean_something():
    found = Permission.objects.filter(content_type__app_label="stream_events").values_list("codename", flat=True)
    looking = {"stream", "consumergroup", "pendingentry", "deadletter", "consumer", "outboxevent"}
    acting = {
        *("publish_stream", "replay_stream", "trim_stream", "delete_stream"),
        *("reset_consumergroup", "delete_consumergroup"),
        *("ack_pendingentry", "claim_pendingentry", "retry_pendingentry", "deadletter_pendingentry"),
        *("requeue_deadletter", "delete_deadletter", "delete_consumer"),
    }
    assert set(found) == {f"view_{one}" for one in looking} | {"view_payload"} | acting


@pytest.mark.parametrize("path", [*PAGES, *DETAILS, "stream/orders/danger", "stream/publish"])
def test_a_second_site_keeps_its_links_to_itself(admin, registry, hand_out, server, path):
    registry.register(print, stream="orders", group="billing")
    hand_out(1, consumer="worker")
    server.set("t:users", "text")
    page = admin.get(f"/ops/stream_events/{path}/").content.decode()
    assert "/ops/stream_events/" in page
    assert 'href="/admin/' not in page


@pytest.mark.parametrize("path", [path for path in [*REDIS_PAGES, *DETAILS] if "history" not in path])
def test_redis_gone_is_a_503_page_inside_the_admin(admin, settings, path):
    settings.STREAM_EVENTS = {"URL": "redis://user:hunter2@127.0.0.1:1/0"}
    response = admin.get(f"/admin/stream_events/{path}/")
    page = response.content.decode()
    assert response.status_code == 503
    assert "Cannot reach Redis at redis://127.0.0.1:1/0" in page
    assert "hunter2" not in page
    assert "Log out" in page
    assert admin.get("/admin/").status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_a_setting_that_cannot_be_used_is_no_crash(admin, settings, name):
    settings.STREAM_EVENTS = {"COUNT": 0}
    response = admin.get(f"/admin/stream_events/{name}/")
    assert response.status_code == 503
    assert "Stream events is not set up to" in response.content.decode()
    assert "COUNT" in response.content.decode()


@pytest.mark.parametrize("path", DETAILS)
def test_details_need_the_permission_of_their_list(staff, path):
    assert staff().get(f"/admin/stream_events/{path}/").status_code == 403


def test_links_lead_only_where_the_user_may_go(staff, registry, hand_out):
    registry.register(print, stream="orders", group="billing")
    hand_out(1)
    page = staff("view_stream").get("/admin/stream_events/stream/orders/change/").content.decode()
    assert "billing" in page
    assert "/consumergroup/" not in page
    assert "/pendingentry/" not in page


def test_the_index_and_the_sidebar_ask_redis_nothing(admin, round_trips):
    with round_trips() as sent:
        assert "Consumer groups" in admin.get("/admin/").content.decode()
        assert "Consumer groups" in admin.get("/admin/auth/user/").content.decode()
    assert sent == []


class TestOnEveryPage:
    @pytest.mark.parametrize("path", [*PAGES, *DETAILS])
    def test_the_environment_has_a_badge(self, admin, settings, path):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"ENVIRONMENT": ("production", "danger")}}
        page = admin.get(f"/admin/stream_events/{path}/").content.decode()
        assert re.search(r'class="se-environment se-danger"><span aria-hidden="true">⚠</span> production<', page)

    @pytest.mark.parametrize("path", [*PAGES, *DETAILS])
    def test_read_only_is_said(self, admin, settings, path):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"READ_ONLY": True}}
        page = admin.get(f"/admin/stream_events/{path}/").content.decode()
        assert "Read-only: nothing is changed from these pages." in page

    @pytest.mark.parametrize("path", [*PAGES, *DETAILS])
    def test_neither_is_said_otherwise(self, admin, path):
        page = admin.get(f"/admin/stream_events/{path}/").content.decode()
        assert "se-environment" not in page
        assert "se-read-only" not in page

    @pytest.mark.parametrize("path", [*PAGES, *DETAILS])
    def test_there_is_one_heading_of_the_first_level(self, admin, path):
        assert admin.get(f"/admin/stream_events/{path}/").content.decode().count("<h1") == 1

    @pytest.mark.parametrize("path", [*PAGES, *DETAILS])
    def test_the_other_pages_are_at_hand(self, admin, path):
        page = admin.get(f"/admin/stream_events/{path}/").content.decode()
        nav = page.partition('class="se-pages"')[2].partition("</nav>")[0]
        assert [f'href="/admin/stream_events/{name}/"' in nav for name in PAGES] == [True] * len(PAGES)
        assert f'href="/admin/stream_events/{path.partition("/")[0]}/" aria-current="true"' in nav

    def test_only_those_that_the_user_may_see(self, staff):
        page = staff("view_stream", "view_consumer").get("/admin/stream_events/stream/").content.decode()
        nav = page.partition('class="se-pages"')[2].partition("</nav>")[0]
        assert nav.count("href") == 2


def test_a_theme_may_register_the_default_site_again(client, admin):
    class Theme(ModelAdmin):
        pass

    register(site, base=Theme)
    try:
        assert isinstance(site.get_model_admin(Stream), Theme)
        assert admin.get("/admin/stream_events/stream/").status_code == 200
    finally:
        register(site)


@pytest.mark.parametrize("path", [*PAGES, *DETAILS])
def test_pages_have_no_inline_code(admin, hand_out, path):
    hand_out(1, consumer="worker")
    page = admin.get(f"/admin/stream_events/{path}/").content.decode()
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_dumpdata_passes_over_what_has_no_table(options):
    output = io.StringIO()
    call_command("dumpdata", *options, stdout=output)
    assert "stream_events.stream" not in output.getvalue().replace("view_stream", "")


def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", "stream_events", stdout=io.StringIO())


@pytest.mark.parametrize("model", [Stream, PendingEntry])
def test_what_lives_in_redis_is_not_saved_deleted_or_queried(model, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert model.objects.count() == 0
        assert list(model._base_manager.all()) == []
    with pytest.raises(TypeError, match="lives in Redis"):
        model(id="orders").save()
    with pytest.raises(TypeError, match="lives in Redis"):
        model(id="orders").delete()
    assert str(model(id="orders")) == "orders"
