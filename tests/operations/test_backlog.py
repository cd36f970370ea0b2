"""How many events wait in the outboxes, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from stream_events.models import OutboxEvent
from stream_events.operations import backlog as module
from stream_events.operations.backlog import outbox_backlog, outbox_backlogs
from stream_events.publishing.outbox_databases import outbox_aliases
from tests.management.test_runconsumer import change_settings
from tests.outboxes import AWAY, let_wait, take_table_away

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def use(settings, *aliases):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": aliases}}


def test_an_empty_outbox_has_no_oldest():
    (found, _) = outbox_backlogs()
    assert (found.alias, found.count, found.oldest_at, found.age, found.problem) == ("default", 0, None, 0, "")


def test_counts_what_waits_in_each_database():
    let_wait(3)
    let_wait(1, "other")
    assert [(found.alias, found.count) for found in outbox_backlogs()] == [("default", 3), ("other", 1)]


def test_the_oldest_is_the_first_in_line():
    let_wait(1, age=180)
    let_wait(1, age=5)
    found = outbox_backlog("default")
    assert found.age == pytest.approx(180, abs=30)
    assert abs(datetime.now(UTC) - timedelta(seconds=180) - found.oldest_at) < timedelta(seconds=30)


def test_a_time_to_come_is_no_age():
    let_wait(1, age=-60)
    assert outbox_backlog("default").age == 0


def test_the_age_does_not_depend_on_the_time_zone(settings):
    OutboxEvent.objects.create(event_id="00000000-0000-0000-0000-000000000001")
    settings.USE_TZ = False
    settings.TIME_ZONE = "Pacific/Kiritimati"
    assert outbox_backlog("default").age < 3600
    assert outbox_backlog("default").oldest_at.tzinfo is UTC


def test_counts_up_to_a_limit_and_says_that_there_are_more(monkeypatch):
    monkeypatch.setattr(module, "COUNTED", 3)
    let_wait(3)
    assert (outbox_backlog("default").count, outbox_backlog("default").has_more) == (3, False)
    let_wait(2)
    assert (outbox_backlog("default").count, outbox_backlog("default").has_more) == (3, True)


def test_reads_no_more_rows_than_it_counts():
    let_wait(1)
    with CaptureQueriesContext(connections["default"]) as queries:
        outbox_backlog("default")
    selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert ["LIMIT 1" in sql for sql in selects] == [True, True]
    assert f"LIMIT {module.COUNTED + 1}" in selects[1]


def test_a_missing_table_is_a_problem_with_its_remedy():
    take_table_away("other")
    assert "manage.py migrate stream_events --database other" in outbox_backlog("other").problem
    assert outbox_backlog("default").problem == ""


def test_a_missing_table_spoils_no_transaction_around():
    take_table_away("default")
    with transaction.atomic():
        assert outbox_backlog("default").problem
        assert not transaction.get_connection().needs_rollback


def test_a_database_that_is_away_is_a_problem(project, tmp_path):
    change_settings(project, tmp_path, AWAY)
    output = project.shell(
        "from stream_events.operations.backlog import outbox_backlogs\n"
        "for found in outbox_backlogs(): print(found.alias, found.problem)\n"
    )
    assert output.splitlines() == [
        "default ",
        "away The database “away” does not answer: unable to open database file",
    ]


def test_a_database_that_does_not_exist_is_a_problem(settings):
    use(settings, "default", "nowhere")
    assert "no database “nowhere”" in outbox_backlogs()[1].problem


class TestAliases:
    def test_are_all_databases_unless_some_are_named(self, settings):
        assert outbox_aliases() == ["default", "other"]
        use(settings, "other")
        assert outbox_aliases() == ["other"]
        use(settings)
        assert outbox_aliases() == []

    def test_leave_out_what_a_router_keeps_the_table_from(self, settings):
        settings.DATABASE_ROUTERS = ["tests.operations.test_backlog.DefaultOnly"]
        assert outbox_aliases() == ["default"]

    def test_leave_out_what_is_no_database(self, monkeypatch):
        monkeypatch.setitem(connections.settings["other"], "ENGINE", "django.db.backends.dummy")
        assert outbox_aliases() == ["default"]

    def test_leave_out_mirrors(self, monkeypatch):
        monkeypatch.setitem(connections.settings["other"]["TEST"], "MIRROR", "default")
        assert outbox_aliases() == ["default"]


class DefaultOnly:
    def allow_migrate(self, db, app_label, **hints):
        return db == "default"
