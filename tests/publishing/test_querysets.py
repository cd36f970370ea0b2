"""``EventQuerySet``: bulk writes, each row of which is an event."""

import contextlib

import pytest
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import IntegrityError, NotSupportedError, connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.test.utils import CaptureQueriesContext

from stream_events import EventQuerySet, suppress
from stream_events.exceptions import KeysUnknownError
from stream_events.publishing import rows
from tests.market.models import Permit, Season, Shop, Ticket
from tests.shop.models import Coordinate

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def tickets(server):
    """Three tickets that nobody was told of: A, B and C."""
    with suppress():
        return Ticket.objects.bulk_create(Ticket(number=number, price=at) for at, number in enumerate("ABC"))


@pytest.fixture
def told(entries):
    """Action and number of the events in the stream."""
    return lambda: [(event["action"], event["data"]["number"]) for event in entries("tickets")]


@contextlib.contextmanager
def queries():
    """The statements of a block, without those that begin and end transactions."""
    found = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    words = (query["sql"].split()[0] for query in captured)
    found += [word for word in words if word in {"SELECT", "INSERT", "UPDATE", "DELETE"}]


def read_before():
    """The statement that reads the rows before a write; on PostgreSQL a cursor does it, which is not seen."""
    return [] if connection.vendor == "postgresql" else ["SELECT"]


class TestManagers:
    @pytest.mark.parametrize("manager", ["objects", "managed", "own"])
    def test_every_kind_publishes(self, tickets, told, manager):
        assert getattr(Ticket, manager).filter(price__gt=0).update(status="sold") == 2
        assert told() == [("update", "B"), ("update", "C")]

    def test_methods_of_a_subclass_publish_once(self, tickets, told, entries):
        assert Ticket.own.open().close() == 3
        assert told() == [("update", number) for number in "ABC"]
        assert set(Ticket.objects.values_list("status", "note")) == {("closed", "touched")}

    def test_a_subclass_may_override_what_bulk_update_calls(self, tickets, told):
        tickets[0].status = "sold"
        Ticket.own.bulk_update(tickets, ["status"])
        assert told() == [("update", number) for number in "ABC"]
        assert Ticket.objects.first().note == "touched"

    def test_in_one_place_only(self, tickets, told):
        assert EventQuerySet(Ticket).update(status="sold") == 3
        assert len(told()) == 3

    def test_related_managers_publish_as_well(self, tickets, told):
        shop = Shop.objects.create(name="corner")
        with suppress():
            shop.tickets.set(tickets[:2], bulk=False)
        shop.tickets.update(status="sold")
        assert told() == [("update", "A"), ("update", "B")]

    def test_the_awaited_twins_publish(self, tickets, told):
        from asgiref.sync import async_to_sync

        async def write():
            await Ticket.objects.aupdate(status="sold")
            await Ticket.objects.abulk_create([Ticket(number="D")])

        async_to_sync(write)()
        assert told()[2:] == [("update", "C"), ("create", "D")]


class TestUpdate:
    def test_tells_what_was_written_and_what_is_there_now(self, tickets, entries):
        Ticket.objects.filter(number="B").update(price=F("price") + 5, note="n")
        assert entries("tickets") == [
            {
                "obj_id": tickets[1].pk,
                "obj_type": "market.ticket",
                "action": "update",
                "data": {"number": "B", "status": "open", "price": 6},
                "changed": ["price"],
            }
        ]

    def test_of_nothing_declared_is_not_told_and_costs_nothing(self, tickets, told):
        with queries() as found:
            assert Ticket.objects.update(note="n") == 3
        assert (found, told()) == (["UPDATE"], [])

    def test_of_nothing_at_all_is_what_it_is_in_django(self, tickets, server, entries):
        Season.objects.create(name="spring")
        server.flushall()
        assert Season.objects.update() == 0
        assert entries("season-names") == []

    def test_of_no_row_is_not_told(self, tickets, told):
        assert Ticket.objects.none().update(status="sold") == 0
        assert Ticket.objects.filter(number="Z").update(status="sold") == 0
        assert told() == []

    def test_tells_rows_that_its_own_filter_no_longer_finds(self, tickets, told):
        Ticket.objects.filter(status="open").update(status="sold")
        assert len(told()) == 3

    @pytest.mark.parametrize(
        "narrow",
        [
            lambda rows: rows.filter(shop__name="corner"),
            lambda rows: rows.filter(Exists(Shop.objects.filter(pk=OuterRef("shop"), name="corner"))),
            lambda rows: rows.annotate(twice=F("price") * 2).filter(twice=2),
            lambda rows: rows.filter(number="B").distinct(),
            lambda rows: rows.filter(number="B").values("status"),
            lambda rows: rows.filter(number="B").order_by("-price").select_related("shop"),
            lambda rows: rows.annotate(n=Count("shop__tickets")).filter(n=1),
            lambda rows: rows.exclude(Q(number="A") | Q(number="C")),
            lambda rows: rows.filter(number="B") | rows.filter(number="Z"),
        ],
        ids=[
            *("join", "exists", "annotation", "distinct", "values", "order", "aggregate", "exclude", "combined"),
        ],
    )
    def test_whatever_narrows_it(self, tickets, told, narrow):
        with suppress():
            tickets[1].shop = Shop.objects.create(name="corner")
            tickets[1].save()
        assert narrow(Ticket.objects.all()).update(status="sold") == 1
        assert told() == [("update", "B")]

    def test_a_sliced_subquery_may_narrow_it(self, tickets, told):
        if connection.vendor == "mysql":
            pytest.skip("MySQL and MariaDB know no such queries")
        rows = Ticket.objects.filter(pk__in=Ticket.objects.filter(price__gt=0).order_by("price")[:1])
        assert rows.update(status="sold") == 1
        assert told() == [("update", "B")]

    def test_a_join_that_finds_a_row_twice_tells_it_once(self, tickets, server, entries):
        shop = Shop.objects.create(name="corner")
        with suppress():
            shop.tickets.set(tickets, bulk=False)
        server.flushall()
        assert EventQuerySet(Shop).filter(tickets__price__gte=0).update(town="Ghent") == 1
        assert [event["obj_id"] for event in entries("shops")] == [shop.pk]

    @pytest.mark.parametrize(
        ("rows", "error"),
        [
            (lambda: Ticket.objects.all()[:1], TypeError),
            (lambda: Ticket.objects.filter(price=0).union(Ticket.objects.filter(price=1)), NotSupportedError),
        ],
        ids=["sliced", "union"],
    )
    def test_what_django_refuses_is_refused_as_there(self, tickets, told, rows, error):
        with pytest.raises(error):
            rows().update(status="sold")
        assert told() == []

    @pytest.mark.parametrize("name", ["nothing", "price__gt"])
    def test_a_field_that_is_none(self, tickets, name):
        with pytest.raises((FieldDoesNotExist, FieldError)):
            Season.objects.update(**{name: 1})

    @pytest.mark.parametrize(
        ("model", "name"),
        [(Ticket, "pk"), (Ticket, "id"), (Permit, "id"), (Permit, "ticket_ptr_id"), (Coordinate, "x")],
    )
    def test_of_the_primary_key_is_refused(self, server, model, name):
        with pytest.raises(KeysUnknownError, match="primary key"):
            EventQuerySet(model).update(**{name: 5})

    def test_of_the_primary_key_is_for_django_when_suppressed(self, tickets, told):
        with suppress("tickets"):
            Ticket.objects.filter(number="A").update(id=10**6)
        assert told() == []

    def test_tells_changes(self, server, entries):
        Season.objects.bulk_create([Season(name="spring"), Season(name="autumn", year=2027)])
        Season.objects.update(year=2027)
        changes = [(event["changed"], event["previous"]) for event in entries("seasons")[2:]]
        assert changes == [(["year"], {"year": 2026}), ([], {})]
        assert [event["changed"] for event in entries("season-names")[2:]] == [["year"], ["year"]]

    def test_of_a_child_tells_each_publisher_its_own(self, server, entries):
        permit = Permit.objects.create(number="P", area="north")
        server.flushall()
        Permit.objects.update(status="sold", area="south")
        assert [event["changed"] for event in entries("tickets")] == [["status"]]
        assert [(event["obj_type"], event["changed"]) for event in entries("permits")] == [("market.permit", ["area"])]
        assert entries("permits")[0]["obj_id"] == permit.pk

    def test_on_another_database(self, server, told):
        Ticket.objects.using("other").create(number="A")
        with transaction.atomic(using="other"):
            Ticket.objects.using("other").update(status="sold")
            assert told() == [("create", "A")]
        assert told()[1:] == [("update", "A")]

    def test_is_taken_back_with_its_savepoint(self, tickets, told):
        with transaction.atomic():
            Ticket.objects.filter(number="A").update(status="sold")
            with contextlib.suppress(IntegrityError), transaction.atomic():
                Ticket.objects.filter(number="B").update(status="sold")
                raise IntegrityError
        assert told() == [("update", "A")]

    def test_reads_keys_and_rows_in_chunks(self, tickets, told, monkeypatch):
        monkeypatch.setattr(rows, "AT_A_TIME", 2)
        with queries() as found:
            Ticket.objects.update(status="sold")
        assert found == [*read_before(), "UPDATE", "SELECT", "SELECT"]
        assert told() == [("update", number) for number in "ABC"]


class TestBulkUpdate:
    def test_tells_each_row_once_in_the_order_of_the_objects(self, tickets, entries, told):
        for ticket in tickets:
            ticket.status = "sold"
        assert Ticket.objects.bulk_update(tickets[::-1], ["status"], batch_size=2) == 3
        assert told() == [("update", number) for number in "CBA"]
        assert entries("tickets")[0]["changed"] == ["status"]

    def test_tells_nothing_of_rows_that_are_not_there_or_not_meant(self, tickets, told):
        tickets[0].delete(), tickets[1].refresh_from_db()
        assert Ticket.objects.exclude(number="C").bulk_update([Ticket(pk=10**6), *tickets[1:]], ["status"]) == 1
        assert told() == [("delete", "A"), ("update", "B")]

    def test_with_expressions(self, tickets, entries):
        tickets[1].price = F("price") * 10
        Ticket.objects.bulk_update(tickets[1:2], ["price"])
        assert entries("tickets")[0]["data"]["price"] == 10

    @pytest.mark.parametrize(
        ("objects", "names", "error"),
        [([Ticket()], ["status"], ValueError), ([], [], ValueError), ([Ticket(pk=1)], ["id"], ValueError)],
        ids=["unsaved", "no fields", "primary key"],
    )
    def test_what_django_refuses_is_refused_as_there(self, server, objects, names, error):
        with pytest.raises(error):
            Ticket.objects.bulk_update(objects, names)

    def test_costs_a_select_before_and_after(self, tickets):
        with queries() as found:
            Ticket.objects.bulk_update(tickets, ["status"])
        assert found == [*read_before(), "UPDATE", "SELECT"]

    def test_tells_changes(self, server, entries):
        season = Season.objects.create(name="spring")
        season.name, season.year = "summer", 2030
        Season.objects.bulk_update([season], ["name", "year"])
        assert entries("seasons")[1]["previous"] == {"name": "spring", "year": 2026}


class TestBulkCreate:
    def test_tells_each_object_with_its_key(self, server, entries):
        created = Ticket.objects.bulk_create([Ticket(number="A"), Ticket(number="B")])
        assert [(event["obj_id"], event["action"]) for event in entries("tickets")] == [
            (ticket.pk, "create") for ticket in created
        ]

    def test_costs_nothing(self, server):
        with queries() as found:
            Ticket.objects.bulk_create(Ticket(number=number) for number in "AB")
        assert found == ["INSERT"]

    def test_of_nothing(self, server, told):
        assert Ticket.objects.bulk_create([]) == []
        assert told() == []

    def test_that_fails_tells_nothing(self, tickets, told):
        with pytest.raises(IntegrityError):
            Ticket.objects.bulk_create([Ticket(number="D"), Ticket(number="A")])
        assert told() == []

    def test_that_ignores_conflicts_tells_what_was_created(self, tickets, told):
        Ticket.objects.bulk_create(
            [Ticket(number=number) for number in "DAEE"], ignore_conflicts=True, unique_fields=["number"]
        )
        assert told() == [("create", "D"), ("create", "E")]

    def test_that_meets_another_conflict_tells_nothing_of_it(self, tickets, told):
        with suppress():
            Ticket.objects.filter(number="A").update(code="x")
        Ticket.objects.bulk_create(
            [Ticket(number="D", code="x"), Ticket(number="E")], ignore_conflicts=True, unique_fields=["number"]
        )
        assert told() == [("create", "E")]

    @pytest.mark.usefixtures("upserts")
    def test_that_updates_conflicts_tells_both(self, tickets, entries):
        Ticket.objects.bulk_create(
            [Ticket(number="D", status="new"), Ticket(number="B", status="new")],
            update_conflicts=True,
            unique_fields=["number"],
            update_fields=["status"],
        )
        created, updated = entries("tickets")
        assert (created["action"], created["data"]["number"]) == ("create", "D")
        assert (updated["action"], updated["data"]["number"], updated["changed"]) == ("update", "B", ["status"])

    @pytest.mark.usefixtures("upserts")
    def test_that_updates_conflicts_tells_changes(self, server, entries):
        season = Season.objects.create(name="spring")
        Season.objects.bulk_create(
            [Season(pk=season.pk, name="summer", year=2026)],
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=["name", "year"],
        )
        assert entries("seasons")[1]["previous"] == {"name": "spring"}

    def test_tells_a_row_once_though_objects_are_alike(self, tickets, told, monkeypatch):
        monkeypatch.setattr(rows, "AT_A_TIME", 1)
        Ticket.objects.bulk_create(
            [Ticket(number="D"), Ticket(number="D")], ignore_conflicts=True, unique_fields=["number"]
        )
        assert told() == [("create", "D")]

    @pytest.mark.parametrize(
        "options",
        [
            {"ignore_conflicts": True},
            {"ignore_conflicts": True, "unique_fields": ["code"]},
            {"ignore_conflicts": True, "unique_fields": ["pk"]},
        ],
        ids=["no unique fields", "NULL", "no key"],
    )
    def test_that_would_not_know_its_rows_writes_nothing(self, server, options):
        with pytest.raises(KeysUnknownError):
            Ticket.objects.bulk_create([Ticket(number="A")], **options)
        assert not Ticket.objects.exists()

    def test_need_not_know_its_rows_when_suppressed(self, server, told):
        with suppress("tickets"):
            Ticket.objects.bulk_create([Ticket(number="A")], ignore_conflicts=True)
        assert Ticket.objects.count() == 1
        assert told() == []

    def test_without_keys_of_the_database_writes_nothing(self, server, monkeypatch):
        monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
        with pytest.raises(KeysUnknownError):
            Ticket.objects.bulk_create([Ticket(number="A")])
        Ticket.objects.bulk_create([Ticket(pk=5, number="A")])
        assert Ticket.objects.count() == 1

    def test_of_a_child_is_for_django_to_refuse(self, server):
        with pytest.raises(ValueError, match="multi-table"):
            Permit.objects.bulk_create([Permit(number="P")])


def test_a_publisher_that_is_connected_twice_tells_once(tickets, told):
    Ticket.events.connect(Ticket)
    Ticket.objects.update(status="sold")
    assert len(told()) == 3


def test_a_queryset_delete_tells_each_row(tickets, told):
    Ticket.objects.filter(price__lt=2).delete()
    assert sorted(told()) == [("delete", "A"), ("delete", "B")]


def test_get_or_create_and_update_or_create_tell_what_they_do(server, entries, told):
    Ticket.objects.get_or_create(number="A")
    Ticket.objects.get_or_create(number="A")
    Ticket.objects.update_or_create(number="A", defaults={"status": "sold"})
    assert told() == [("create", "A"), ("update", "A")]
    assert entries("tickets")[1]["changed"] == ["status"]
