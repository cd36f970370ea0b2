import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps

from stream_events import StreamPublisher, checks
from stream_events.publishing.publisher import publishers
from tests.management.test_runconsumer import change_settings
from tests.outboxes import AWAY, take_table_away


def ids(messages):
    return [message.id for message in messages]


def on_order(event):
    pass


def broken():
    pass


@pytest.mark.django_db(databases=["default", "other"])
def test_the_project_of_the_tests_is_clean():
    call_command("check")
    assert not [message for message in run_checks() if message.id.startswith("stream_events")]


def test_ids_are_unique():
    found = [value for value in vars(checks).values() if str(value).startswith("stream_events.")]
    assert len(found) == len(set(found)) >= 8


@override_settings(STREAM_EVENTS={"CUONT": 1})
def test_an_unknown_setting_is_an_error_with_the_closest_name():
    (message,) = checks.check_settings(None)
    assert message.id == checks.UNKNOWN_SETTING
    assert "COUNT" in message.hint


@pytest.mark.parametrize(
    "setting",
    [
        {"COUNT": "many"},
        {"URL": "http://x"},
        {"URL": "redis+cluster://x"},
        {"OPTIONS": {"no_such": 1}},
        {"OPTIONS": {"max_connections": "5"}},
        "x",
    ],
)
def test_a_value_that_cannot_be_used_is_an_error(setting):
    with override_settings(STREAM_EVENTS=setting):
        assert ids(checks.check_settings(None)) == [checks.BAD_SETTING]


@pytest.mark.parametrize(
    ("key", "path", "text"),
    [
        ("PAYLOAD_FORMATTER", "no.such.module", "cannot be imported: ModuleNotFoundError: No module named 'no'"),
        ("PAYLOAD_FORMATTER", "plain", "cannot be imported: ImportError: plain doesn't look like a module path"),
        ("PAYLOAD_FORMATTER", "tests.test_checks.ids.nothing", "cannot be imported: ModuleNotFoundError"),
        ("PAYLOAD_FORMATTER", "stream_events.version.VERSION", "is no function"),
        ("BASE_CLASS", "no.such.module", "cannot be imported: ModuleNotFoundError: No module named 'no'"),
        ("BASE_CLASS", "django.db.models.Model", "is no ModelAdmin"),
        ("BASE_CLASS", "tests.test_checks.ids", "is no ModelAdmin"),
    ],
)
def test_a_path_of_the_admin_that_leads_nowhere_is_an_error(key, path, text):
    with override_settings(STREAM_EVENTS={"ADMIN": {key: path}}):
        (message,) = checks.check_settings(None)
    assert message.id == checks.BAD_SETTING
    assert f"STREAM_EVENTS['ADMIN']['{key}'] is '{path}', which {text}" in message.msg


def test_paths_of_the_admin_that_lead_somewhere_are_fine():
    admin = {"PAYLOAD_FORMATTER": "tests.test_checks.ids", "BASE_CLASS": "django.contrib.admin.ModelAdmin"}
    with override_settings(STREAM_EVENTS={"ADMIN": admin}):
        assert checks.check_settings(None) == []


def test_a_broken_registration_is_an_error_with_a_hint(registry):
    registry.register(broken, stream="orders", group="billing")
    (message,) = run_checks(tags=["stream_events"])
    assert message.id == checks.BAD_HANDLER
    assert "def handler(event)" in message.hint


@pytest.mark.parametrize(
    ("obj_type", "expected"),
    [("shop.order", []), ("shop.oder", [checks.UNKNOWN_OBJECT_TYPE]), ("order", [checks.UNKNOWN_OBJECT_TYPE])],
)
def test_a_type_of_this_project_that_does_not_exist_is_a_warning(registry, obj_type, expected):
    registry.register(on_order, stream="orders", group="billing", obj_type=obj_type)
    assert ids(checks.check_handlers(None)) == expected


def test_a_type_of_another_project_is_no_warning(registry):
    registry.register(on_order, stream="orders", group="billing", obj_type="warehouse.parcel")
    assert checks.check_handlers(None) == []


@pytest.fixture
def only(monkeypatch):
    """Leaves the publishers made in the test as the only ones."""
    from stream_events.publishing import publisher

    found = set()
    monkeypatch.setattr(publisher, "publishers", found)
    monkeypatch.setattr(checks, "publishers", found)
    return found


@isolate_apps("tests.shop")
@pytest.mark.parametrize("field", ["nubmer", "customers", "label"])
def test_a_published_name_that_is_no_field_is_an_error(only, field):
    class Thing(models.Model):
        customers = models.ManyToManyField("shop.Thing")
        events = StreamPublisher("things", fields=[field])

        class Meta:
            app_label = "shop"

        @property
        def label(self):
            return ""

    (message,) = checks.check_publishers(None)
    assert message.id == checks.BAD_PUBLISHER_FIELD
    assert field in message.msg


@isolate_apps("tests.shop")
def test_a_field_that_sounds_secret_is_a_warning(only):
    class Account(models.Model):
        api_token = models.CharField(max_length=10)
        events = StreamPublisher("accounts", fields=["api_token"])

        class Meta:
            app_label = "shop"

    assert ids(checks.check_publishers(None)) == [checks.SENSITIVE_FIELD]


@isolate_apps("tests.shop")
def test_a_publisher_hidden_by_a_related_name_is_an_error(only):
    class Concert(models.Model):
        events = StreamPublisher("concerts")

        class Meta:
            app_label = "shop"

    class Ticket(models.Model):
        concert = models.ForeignKey(Concert, models.CASCADE, related_name="events")

        class Meta:
            app_label = "shop"

    (message,) = checks.check_publishers(None)
    assert message.id == checks.PUBLISHER_HIDDEN
    assert "related_name" in message.hint


def test_deployment_warns_about_the_embedded_server():
    assert ids(checks.check_deployment(None)) == [checks.EMBEDDED_IN_PRODUCTION]
    with override_settings(STREAM_EVENTS={"URL": "redis://cache"}):
        assert checks.check_deployment(None) == []


def outbox_in(*aliases):
    return override_settings(STREAM_EVENTS={"OUTBOX": {"DATABASES": aliases}})


def test_an_outbox_in_an_unknown_database_is_an_error():
    assert checks.check_outbox(None) == []
    with outbox_in("default", "othre"):
        (message,) = checks.check_outbox(None)
    assert message.id == checks.UNKNOWN_OUTBOX_DATABASE
    assert "'othre'" in message.msg
    assert "'default', 'other'" in message.hint


@pytest.mark.django_db(databases=["default", "other"])
def test_deployment_warns_about_each_database_without_the_table():
    assert checks.check_outbox_tables(None) == []
    take_table_away("other")
    (message,) = checks.check_outbox_tables(None)
    assert message.id == checks.NO_OUTBOX_TABLE
    assert "manage.py migrate stream_events --database other" in message.hint
    with outbox_in("default", "nowhere"):
        assert checks.check_outbox_tables(None) == []


@override_settings(STREAM_EVENTS={"OUTBOX": {"DATABASES": "default"}})
def test_a_setting_of_the_outbox_that_cannot_be_used_is_said_once():
    assert ids(checks.check_settings(None)) == [checks.BAD_SETTING]
    assert checks.check_outbox(None) == checks.check_outbox_tables(None) == []


def test_a_deployment_check_passes_over_a_database_that_is_away(project, tmp_path):
    change_settings(project, tmp_path, AWAY)
    code, output = project.run("check", "--deploy", "--tag", "stream_events")
    assert code == 0
    assert "stream_events.W003" in output
    assert "stream_events.W004" not in output


def test_publishers_of_the_tests_are_known():
    assert {"orders", "users", "tracked"} <= {publisher.stream for publisher in publishers}


class NoOutboxRouter:
    def allow_migrate(self, db, app_label, **hints):
        return not (db == "default" and app_label == "stream_events")


@isolate_apps("tests.shop")
@pytest.mark.parametrize(("via", "expected"), [("outbox", [checks.NO_OUTBOX]), ("commit", [])])
def test_an_outbox_that_may_not_be_where_it_is_written_is_an_error(only, settings, via, expected):
    class Thing(models.Model):
        events = StreamPublisher("things", via=via)

        class Meta:
            app_label = "shop"

    assert checks.check_publishers(None) == []
    settings.DATABASE_ROUTERS = [f"{__name__}.NoOutboxRouter"]
    assert ids(checks.check_publishers(None)) == expected
    settings.DATABASE_ROUTERS = []
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OUTBOX": {"DATABASES": ["other"]}}
    messages = checks.check_publishers(None)
    assert ids(messages) == expected
    assert all("migrate stream_events --database default" in message.hint for message in messages)
