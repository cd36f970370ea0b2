"""Which writes are warned about because no publisher sees them, and which are not."""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections, migrations, models, transaction
from django.db.models.signals import post_save
from django.test import override_settings

from stream_events import StreamPublisher
from stream_events.exceptions import UnpublishedWriteWarning
from stream_events.publishing import unseen
from stream_events.publishing.attachment import Attachment
from tests.shop.models import (
    Bar,
    Mixed,
    Order,
    Page,
    Parcel,
    Place,
    Quiet,
    Restaurant,
    RushOrder,
    Shelf,
    Silent,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def page():
    return Page.objects.create(title="home")


@pytest.fixture
def row():
    """An order that nobody has heard of."""
    order = Order(number="A1")
    order.save_base(raw=True)
    return order


@pytest.fixture
def user():
    return User.objects.create(username="ada")


def line_of(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def execute(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def warning(write):
    """The one warning about ``write``, which happens all the same."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write()
    (found,) = caught
    assert found.category is UnpublishedWriteWarning
    return found


BULK_WRITES = {
    "bulk_create()": lambda row: Order.objects.bulk_create([Order(number="B1"), Order(number="B2")]),
    "bulk_update()": lambda row: Order.objects.bulk_update([row], ["number"]),
    "QuerySet.update()": lambda row: Order.objects.filter(pk=row.pk).update(number="B1"),
    "QuerySet._raw_delete()": lambda row: Order.objects.filter(pk=row.pk)._raw_delete("default"),
}


class TestWarnsAbout:
    @pytest.mark.parametrize("name", BULK_WRITES)
    def test_bulk_writes(self, row, name):
        text = str(warning(lambda: BULK_WRITES[name](row)).message)
        assert name in text
        assert text.startswith("shop.Order (table shop_order)")
        assert "suppress('orders')" in text

    @pytest.mark.parametrize(
        ("sql", "params"),
        [
            ("INSERT INTO shop_shelf (name) VALUES (%s)", ["top"]),
            ("UPDATE shop_order SET number = %s", ["A2"]),
            ("DELETE FROM shop_order", []),
        ],
    )
    def test_raw_sql(self, row, sql, params):
        assert "raw SQL" in str(warning(lambda: execute(sql, *params)).message)

    def test_raw_sql_for_many_rows(self):
        def write():
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO shop_shelf (name) VALUES (%s)", [["a"], ["b"]])

        assert "shop.Shelf" in str(warning(write).message)
        assert Shelf.objects.count() == 2

    def test_upserts_of_a_publisher_of_creations(self):
        conflict = "ON DUPLICATE KEY UPDATE" if connection.vendor == "mysql" else "ON CONFLICT (id) DO UPDATE SET"
        sql = f"INSERT INTO shop_shelf (id, name) VALUES (1, 'a') {conflict} name = 'b'"
        assert "shop.Shelf" in str(warning(lambda: execute(sql)).message)

    @pytest.mark.parametrize("field", ["parent", "origin"])
    def test_what_a_deletion_sets_in_other_rows(self, page, field):
        Page.objects.create(title="child", **{field: page})
        text = str(warning(page.delete).message)
        assert "shop.Page" in text
        assert "SET_NULL or SET_DEFAULT" in text
        assert Page.objects.get().parent is None

    @pytest.mark.parametrize("name", ["add", "set"])
    def test_a_related_manager_that_updates(self, page, name):
        child = Page.objects.create(title="child")
        text = str(warning(lambda: getattr(page.children, name)(child if name == "add" else [child])).message)
        assert f"{name}() of a related manager" in text
        assert f"bulk=False to {name}()" in text

    @pytest.mark.parametrize("name", ["remove", "clear"])
    def test_a_related_manager_that_lets_go(self, page, name):
        child = Page.objects.create(title="child", parent=page)
        write = (lambda: page.children.remove(child)) if name == "remove" else page.children.clear
        assert f"{name}() of a related manager" in str(warning(write).message)

    def test_a_many_to_many_relation_whose_own_model_publishes(self, page):
        text = str(warning(lambda: page.links.add(page)).message)
        assert "shop.Link" in text
        assert "bulk_create()" in text

    def test_models_that_are_only_connected(self, user):
        text = str(warning(lambda: User.objects.update(username="ada")).message)
        assert "auth.User" in text
        assert "EventQuerySet(User)" in text

    @pytest.mark.parametrize(
        ("model", "label"), [(RushOrder, "shop.Order"), (Parcel, "shop.Parcel"), (Mixed, "shop.Mixed")]
    )
    def test_proxies_and_heirs_of_abstract_bases_and_mixins(self, model, label):
        field = "number" if model is RushOrder else "name"
        model.objects.create(**{field: "w"})
        assert str(warning(lambda: model.objects.update(**{field: "x"})).message).startswith(label)

    def test_a_child_for_its_own_publisher_and_for_its_parents(self):
        Restaurant.objects.create(name="Chez")
        assert "shop.Restaurant" in str(warning(lambda: Restaurant.objects.update(stars=1)).message)
        Bar.objects.create(name="Luna")
        assert "shop.Place" in str(warning(lambda: Bar.objects.update(name="Sol")).message)

    def test_writes_on_other_databases(self):
        orders = Order.objects.using("other")
        assert "shop.Order" in str(warning(lambda: orders.bulk_create([Order(number="x")])).message)

    def test_the_awaited_twins(self, user):
        update = async_to_sync(User.objects.all().aupdate)
        assert "auth.User" in str(warning(lambda: update(username="eve")).message)

    def test_a_receiver_that_writes_while_something_is_saved(self, page):
        def update(sender, instance, **_):
            Page.objects.filter(pk=page.pk).update(title="y")

        post_save.connect(update, sender=Quiet)
        try:
            assert "shop.Page" in str(warning(lambda: Quiet.objects.create(name="q")).message)
        finally:
            post_save.disconnect(update, sender=Quiet)

    def test_each_stream_that_misses_something(self, page):
        text = str(warning(lambda: page.links.add(page)).message)
        assert "published to links, network." in text
        assert "suppress('links') and suppress('network')" in text


class TestSaysNothingAbout:
    def test_saves_and_deletions(self, row):
        row.save()
        row.save(update_fields=["number"])
        RushOrder.objects.get().delete()
        Restaurant.objects.create(name="Chez").delete()
        Order.objects.update_or_create(number="A1", defaults={"status": "x"})
        Order.objects.all().delete()

    def test_the_awaited_save(self):
        async_to_sync(Order(number="A1").asave)()

    def test_models_without_a_publisher(self):
        Quiet.objects.bulk_create([Quiet(name="q")])
        Quiet.objects.update(name="r")
        Silent.objects.create(name="s")
        Silent.objects.update(name="t")

    def test_actions_that_nobody_asked_for(self):
        Shelf.objects.create(name="s")
        Shelf.objects.update(name="t")
        Shelf.objects.all().delete()

    def test_updates_of_what_is_not_declared(self, page, user):
        Page.objects.filter(title="home").update(notes="seen")
        Bar.objects.create(name="Luna")
        Bar.objects.update(happy_hour=18)
        User.objects.update(last_login=None)

    def test_what_changes_no_row(self, page):
        Page.objects.filter(title="elsewhere").update(title="x")
        page.delete()

    def test_rows_of_the_child_alone(self):
        Bar.objects.create(name="Luna").delete(keep_parents=True)
        assert Place.objects.exists()

    def test_a_related_manager_that_saves(self, page):
        page.children.add(Page.objects.create(title="child"), bulk=False)
        page.children.clear(bulk=False)

    def test_reading_and_savepoints(self, row):
        with transaction.atomic(), transaction.atomic():
            list(Order.objects.select_for_update())

    def test_a_disabled_bus(self, settings, row):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ENABLED": False}
        Order.objects.update(number="x")

    def test_fixtures(self, tmp_path):
        fields = {"number": "A1", "notes": {}}
        page = {"model": "shop.page", "pk": 1, "fields": {"title": "p", "links": []}}
        fixture = tmp_path / "orders.json"
        fixture.write_text(json.dumps([{"model": "shop.order", "pk": 1, "fields": fields}, page]))
        call_command("loaddata", str(fixture), verbosity=0)
        assert Order.objects.exists()

    def test_rows_that_a_serialized_rollback_brings_back(self, user):
        content = connection.creation.serialize_db_to_string()
        user.delete()
        connection.creation.deserialize_db_from_string(content)
        assert User.objects.exists()

    def test_our_own_querysets(self, row):
        queryset = publishing_queryset()
        queryset(Order).update(number="x")
        queryset(Order).bulk_create([Order(number="B1")])
        queryset(Order).bulk_update([row], ["number"])

    def test_our_own_querysets_over_an_override_of_the_projects(self, row):
        class Loud(models.QuerySet):
            def update(self, **values):
                return super().update(**values)

        class Both(publishing_queryset(), Loud):
            pass

        Both(Order).update(number="x")


def publishing_queryset():
    """A queryset whose bulk writes have their frames in the module that publishes them."""
    module = ModuleType("stream_events.publishing.querysets")
    source = "\n".join(
        f"    def {name}(self, *args, **kwargs): return super().{name}(*args, **kwargs)"
        for name in ("update", "bulk_create", "bulk_update")
    )
    exec(f"class EventQuerySet(QuerySet):\n{source}", vars(module) | {"QuerySet": models.QuerySet}, vars(module))
    return module.EventQuerySet


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
class TestSaysNothingAboutSettingUp:
    def test_a_migration(self, server, row):
        def forwards(apps, schema_editor):
            Order.objects.update(number="x")
            execute("UPDATE shop_order SET number = 'y'")

        class Migration(migrations.Migration):
            operations = [
                migrations.RunPython(forwards),
                migrations.RunSQL("UPDATE shop_order SET number = UPPER(number)"),
            ]

        with connection.schema_editor() as editor:
            Migration("0001", "shop").apply(migrations.state.ProjectState(), editor)
        assert Order.objects.get().number == "Y"

    def test_a_flush(self, row):
        publisher = StreamPublisher("access")
        publisher.attachments = {model: Attachment(publisher, model) for model in (Permission, ContentType)}
        call_command("flush", interactive=False, verbosity=0)
        assert not Order.objects.exists()
        assert Permission.objects.exists()


class TestCallSite:
    def test_is_the_line_of_the_project(self, row):
        found = warning(lambda: Order.objects.filter(pk=row.pk).update(number="here"))
        assert (found.filename, found.lineno) == (__file__, line_of('update(number="here")'))

    def test_is_the_use_of_an_override_not_the_override(self, row):
        class Loud(models.QuerySet):
            def update(self, **values):
                return super().update(**values)

        assert warning(lambda: Loud(Order).update(number="loud")).lineno == line_of('update(number="loud")')

    def test_is_behind_what_only_passes_a_statement_on(self, row):
        def profiler(execute, *arguments):
            return execute(*arguments)

        with connection.execute_wrapper(profiler):
            connection.execute_wrappers.reverse()
            found = warning(lambda: Order.objects.update(number="profiled"))
            connection.execute_wrappers.reverse()
        assert found.lineno == line_of('update(number="profiled")')

    def test_is_told_once(self, row):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for number in "abc":
                Order.objects.filter(pk=row.pk).update(number=number)
        assert len(caught) == 1

    def test_is_where_the_error_is_raised_if_warnings_are_errors(self, row):
        with pytest.raises(UnpublishedWriteWarning), transaction.atomic():
            Order.objects.update(number="x")
        assert Order.objects.get().number == "A1"

    @pytest.mark.django_db(transaction=True)
    def test_is_unknown_where_a_thread_writes_for_a_coroutine(self, row):
        write = Order.objects.filter(pk=row.pk).update
        with ThreadPoolExecutor(1) as pool:
            found = warning(lambda: pool.submit(write, number="x").result())
            pool.submit(lambda: connections["default"].connection.close()).result()
        assert found.filename == "<async>"


class TestWatch:
    @pytest.fixture
    def fresh(self):
        """A connection that nobody has used."""
        fresh = connections.create_connection("default")
        yield fresh
        fresh.connection.close()  # Django leaves a database in memory open

    def test_begins_with_a_connection_and_once(self, fresh):
        fresh.connect()
        unseen.watch(fresh)
        assert fresh.execute_wrappers == [unseen.warn_if_unseen]

    @pytest.mark.parametrize(("debug", "watched"), [(False, []), (True, [unseen.warn_if_unseen])])
    def test_is_not_there_in_production(self, fresh, monkeypatch, debug, watched):
        from django.core import mail

        monkeypatch.delattr(mail, "outbox")
        with override_settings(DEBUG=debug):
            fresh.connect()
        assert fresh.execute_wrappers == watched
