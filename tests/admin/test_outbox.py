"""The page “Outbox events”."""

import re

import pytest

from stream_events.admin import outbox
from stream_events.models import OutboxEvent
from stream_events.operations import backlog
from tests.management.test_runconsumer import change_settings
from tests.outboxes import AWAY, let_wait, take_table_away

pytestmark = pytest.mark.django_db(databases=["default", "other"])

URL = "/admin/stream_events/outboxevent/"


def page(response):
    """The text of a page, with its white space as a browser shows it."""
    return re.sub(r"\s+", " ", response.content.decode())


def shown(response):
    return [row.pk for row in response.context["cl"].result_list]


@pytest.fixture
def without_redis(settings):
    settings.STREAM_EVENTS = {"URL": "redis://user:hunter2@127.0.0.1:1/0"}


class TestSummary:
    def test_says_that_nothing_waits(self, admin):
        assert page(admin.get(URL)).count("No events wait.") == 2

    def test_says_how_many_wait_and_for_how_long(self, admin):
        let_wait(1, age=180)
        let_wait(2, "other", age=7200)
        text = page(admin.get(URL))
        assert re.search(r"<strong>default</strong>: 1 event waits, for 3 min", text)
        assert re.search(r'<a href="\?database=other">other</a>: 2 events wait, the oldest for 2 h', text)

    def test_names_no_database_where_there_is_one(self, admin, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": ["default"]}}
        assert ">default<" not in page(admin.get(URL))

    def test_counts_no_further_than_it_lists(self, admin, monkeypatch):
        monkeypatch.setattr(backlog, "COUNTED", 3)
        monkeypatch.setattr(outbox, "COUNTED", 3)
        let_wait(5)
        text = page(admin.get(URL))
        assert "3+ events wait" in text
        assert "Only the oldest events are counted and listed." in text

    def test_what_waits_for_a_moment_needs_no_explanation(self, admin, without_redis):
        let_wait(1)
        assert "usually sent within seconds" not in page(admin.get(URL))

    def test_what_waits_for_long_is_explained_by_redis_that_is_away(self, admin, without_redis):
        let_wait(1, age=300)
        text = page(admin.get(URL))
        assert "Redis does not answer at redis://127.0.0.1:1/0" in text
        assert "hunter2" not in text

    def test_what_waits_for_long_is_explained_by_a_missing_relay(self, admin):
        let_wait(1, age=300)
        assert "python manage.py runrelay" in page(admin.get(URL))


class TestList:
    def test_shows_the_events_of_one_database_oldest_first(self, admin):
        events = let_wait(3)
        let_wait(1, "other", aggregatetype="parcels")
        assert shown(admin.get(URL)) == [event.pk for event in events]
        assert "parcels" in page(admin.get(URL, {"database": "other"}))

    def test_shows_what_happened_to_what_and_when_but_no_payload(self, admin):
        let_wait(1, age=180, aggregatetype="parcels", type="shipped", payload='{"secret":1}')
        text = page(admin.get(URL))
        assert "parcels" in text
        assert "shipped" in text
        assert "3 min" in text
        assert "secret" not in text

    def test_reads_no_payload(self, admin, django_assert_max_num_queries):
        let_wait(1)
        with django_assert_max_num_queries(20) as queries:
            admin.get(URL)
        assert not [query["sql"] for query in queries if '"payload"' in query["sql"]]

    def test_never_counts_the_whole_table(self, admin, django_assert_max_num_queries):
        let_wait(1)
        with django_assert_max_num_queries(20) as queries:
            admin.get(URL)
        counts = [query["sql"] for query in queries if "COUNT" in query["sql"] and "outbox" in query["sql"]]
        assert counts
        assert all("LIMIT" in sql for sql in counts)

    def test_pages_keep_to_their_database(self, admin):
        events = let_wait(150, "other")
        first = admin.get(URL, {"database": "other"})
        assert "?database=other&amp;p=2" in page(first)
        second = admin.get(URL, {"database": "other", "p": 2})
        assert shown(first) + shown(second) == [event.pk for event in events]

    def test_a_page_that_is_gone_by_now_is_the_last(self, admin):
        events = let_wait(150)
        assert shown(admin.get(URL, {"p": 9})) == [event.pk for event in events[100:]]

    @pytest.mark.parametrize("parameter", ["zzz", "o", "q", "payload__contains", "_facets", "e"])
    def test_parameters_of_other_lists_break_nothing_and_scan_nothing(self, admin, parameter):
        (event,) = let_wait(1, "other")
        assert shown(admin.get(URL, {"database": "other", parameter: "1"})) == [event.pk]

    @pytest.mark.parametrize("database", ["nowhere", "", "' OR 1=1"])
    def test_a_database_that_is_none_is_the_first(self, admin, database):
        (event,) = let_wait(1)
        assert shown(admin.get(URL, {"database": database})) == [event.pk]


class TestDetail:
    def link(self, response):
        return re.search(rf'href="({URL}[^"]+/change/[^"]*)"', response.content.decode())[1].replace("&amp;", "&")

    def test_shows_payload_and_headers(self, admin):
        let_wait(1, "other", payload='{"data":{"number":"<b>7"}}', headers='{"traceparent":"00-1"}')
        text = admin.get(self.link(admin.get(URL, {"database": "other"}))).content.decode()
        assert "  &quot;data&quot;: {\n" in text
        assert "&lt;b&gt;7" in text
        assert "traceparent" in text
        assert "/history/" not in text
        assert 'name="_save"' not in text

    def test_text_that_is_no_json_is_shown_as_it_is(self, admin):
        let_wait(1, payload="{nonsense")
        assert "{nonsense" in page(admin.get(self.link(admin.get(URL))))

    def test_the_view_permission_is_enough_to_look_and_for_no_more(self, staff):
        let_wait(1)
        client = staff("view_outboxevent")
        link = self.link(client.get(URL))
        assert client.get(link).status_code == 200
        assert client.post(link, {"aggregatetype": "x"}).status_code == 403
        assert client.post(link.replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403

    def test_without_the_permission_for_payloads_there_are_only_size_and_keys(self, staff):
        let_wait(1, payload='{"customer":"Ana"}')
        client = staff("view_outboxevent")
        text = page(client.get(self.link(client.get(URL))))
        assert "Ana" not in text
        assert "18 bytes · keys: customer" in text

    def test_without_the_permission_for_payloads_nobody_learns_what_happened_to_which_object(self, staff):
        let_wait(1)
        OutboxEvent.objects.update(aggregateid="ana@example.org", type="vip")
        client = staff("view_outboxevent")
        response = client.get(URL)
        for text in (page(response), page(client.get(self.link(response)))):
            assert "ana@example.org" not in text
            assert "vip" not in text

    def test_a_payload_is_shown_as_the_formatter_wants_it(self, admin, settings):
        settings.STREAM_EVENTS = {
            **settings.STREAM_EVENTS,
            "ADMIN": {"PAYLOAD_FORMATTER": "tests.admin.test_entry.masked"},
        }
        let_wait(1, payload='{"customer":"Ana"}')
        text = page(admin.get(self.link(admin.get(URL))))
        assert "Ana" not in text
        assert "M. of 18" in text

    def test_the_environment_has_its_badge(self, admin, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"ENVIRONMENT": ("production", "danger")}}
        let_wait(1)
        assert "se-environment" in page(admin.get(self.link(admin.get(URL))))

    def test_an_event_that_was_sent_meanwhile_is_no_crash(self, admin):
        (event,) = let_wait(1)
        link = self.link(admin.get(URL))
        event.delete()
        assert "doesn’t exist" in page(admin.get(link, follow=True))


class TestUnavailable:
    @pytest.mark.parametrize("path", ["", "1/change/"])
    def test_a_missing_table_is_a_503_page_with_its_remedy(self, admin, path):
        take_table_away("other")
        response = admin.get(f"{URL}{path}", {"database": "other"})
        assert response.status_code == 503
        assert "manage.py migrate stream_events --database other" in page(response)
        assert '<a href="?database=default">default</a>: No events wait.' in page(response)
        assert "Log out" in page(response)

    def test_the_other_databases_are_still_shown(self, admin):
        take_table_away("other")
        response = admin.get(URL)
        assert response.status_code == 200
        assert "manage.py migrate stream_events --database other" in page(response)

    def test_a_database_that_is_away_is_a_503_page(self, project, tmp_path):
        change_settings(project, tmp_path, f"{AWAY}\nALLOWED_HOSTS = ['testserver']")
        output = project.shell(
            "from django.contrib.auth.models import User\n"
            "from django.test import Client\n"
            "client = Client()\n"
            "client.force_login(User.objects.create_superuser('root'))\n"
            f"response = client.get('{URL}', {{'database': 'away'}})\n"
            "print(response.status_code, response.content.decode())\n"
        )
        assert "503 " in output
        assert "The database “away” does not answer" in output

    def test_without_any_database_it_says_so(self, admin, settings):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": []}}
        response = admin.get(URL)
        assert response.status_code == 503
        assert "No database may hold an outbox." in page(response)

    @pytest.mark.parametrize("path", ["", "1/change/", "1/history/", "1/delete/"])
    def test_tells_nobody_without_permission(self, staff, path):
        take_table_away("default")
        assert staff().get(f"{URL}{path}").status_code == 403

    @pytest.mark.parametrize("path", ["1/history/", "1/delete/"])
    def test_pages_that_make_no_sense_here_ask_no_table(self, admin, path):
        take_table_away("default")
        assert admin.get(f"{URL}{path}").status_code == 403


@pytest.mark.parametrize("path", ["", "{}/change/"])
def test_the_environment_has_a_badge(admin, settings, path):
    let_wait()
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"ENVIRONMENT": ("production", "danger")}}
    response = admin.get(URL)
    position = shown(response)[0]
    assert "se-environment se-danger" in page(admin.get(URL + path.format(position)))
