"""Database effects that happen once, however often the event comes."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from stream_events.consuming import Consumer, inbox
from stream_events.consuming.inbox import SomeHandledBeforeError, handle_once
from stream_events.events import Event
from stream_events.exceptions import ConfigurationError
from stream_events.models import InboxEntry
from stream_events.registration import make_handler
from tests.shop.models import Quiet

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def handler(func=print, **options):
    return make_handler(func, "orders", "billing", {"once": True, **options})


def event(number=1, event_id=None):
    headers = {"event_id": event_id} if event_id else {}
    return Event(stream="orders", group="billing", entry_id=f"{number}-0", payload={"obj_id": number}, headers=headers)


def write(name):
    return lambda: Quiet.objects.create(name=name)


def test_an_event_is_handled_the_first_time_only():
    assert handle_once(handler(), [event()], write("first")) is True
    assert handle_once(handler(), [event()], write("second")) is False
    assert [one.name for one in Quiet.objects.all()] == ["first"]


def test_what_fails_is_not_remembered():
    def fail():
        write("half")()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        handle_once(handler(), [event()], fail)
    assert not Quiet.objects.exists()
    assert handle_once(handler(), [event()], write("again")) is True


def test_an_integrity_error_of_the_handler_is_its_own():
    def fail():
        InboxEntry.objects.create(group="g", handler="h", event_id="e")
        InboxEntry.objects.create(group="g", handler="h", event_id="e")

    with pytest.raises(IntegrityError):
        handle_once(handler(), [event()], fail)
    assert not InboxEntry.objects.exists()


def test_the_same_event_published_again_is_the_same_event():
    handle_once(handler(), [event(1, "e1")], write("first"))
    assert handle_once(handler(), [event(2, "e1")], write("second")) is False


@pytest.mark.fault("F50")
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_handlers_own_transactions_and_hooks_belong_to_its_transaction():
    committed = []

    def handle():
        with transaction.atomic():
            write("inner")()
            transaction.on_commit(lambda: committed.append(InboxEntry.objects.count()))
        raise_once.pop()()

    def fail():
        raise ValueError

    raise_once = [lambda: None, fail]
    with pytest.raises(ValueError):  # noqa: PT011
        handle_once(handler(), [event()], handle)
    assert (Quiet.objects.count(), committed) == (0, [])
    assert handle_once(handler(), [event()], handle) is True
    assert (Quiet.objects.count(), committed) == (1, [1])


def test_each_handler_and_group_has_its_own_memory():
    assert handle_once(handler(name="a"), [event()], write("a"))
    assert handle_once(handler(name="b"), [event()], write("b"))
    other = make_handler(print, "orders", "shipping", {"once": True, "name": "a"})
    assert handle_once(other, [event()], write("c"))


def test_the_row_is_in_the_database_of_the_handler():
    handle_once(handler(atomic="other"), [event()], lambda: None)
    assert InboxEntry.objects.using("other").count() == 1
    assert InboxEntry.objects.count() == 0


def test_a_batch_writes_its_rows_in_one_statement(django_assert_num_queries):
    events = [event(number) for number in range(100)]
    with django_assert_num_queries(3):  # and a savepoint around them
        handle_once(handler(batch=100), events, lambda: None)
    assert InboxEntry.objects.count() == 100


def test_a_batch_with_an_event_that_was_handled_does_nothing():
    handle_once(handler(batch=10), [event(1)], write("first"))
    with pytest.raises(SomeHandledBeforeError):
        handle_once(handler(batch=10), [event(0), event(1)], write("second"))
    assert Quiet.objects.count() == 1
    assert InboxEntry.objects.count() == 1


def test_names_of_any_length_are_told_apart():
    long = "x" * 300
    assert handle_once(handler(), [event(1, long + "1")], lambda: None) is True
    assert handle_once(handler(), [event(2, long + "2")], lambda: None) is True
    assert handle_once(handler(), [event(3, long + "1")], lambda: None) is False


def test_old_events_are_forgotten():
    handle_once(handler(), [event(1), event(2)], lambda: None)
    InboxEntry.objects.filter(event_id="orders/1-0").update(handled_at=timezone.now() - timedelta(days=31))
    assert inbox.prune("default", 30 * 86400) == 1
    assert InboxEntry.objects.get().event_id == "orders/2-0"


def test_a_missing_table_is_found_before_the_first_event(registry, server):
    registry.register(print, stream="orders", group="billing", once=True)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {InboxEntry._meta.db_table}")
    with pytest.raises(ConfigurationError, match=r"manage\.py migrate --database default"):
        Consumer("orders", "billing", drain=True).run()


class KeepOut:
    def allow_migrate(self, db, app_label, **hints):
        return db == "default"


def test_a_router_that_keeps_the_table_out_is_found_before_the_start(registry):
    registry.register(print, stream="orders", group="billing", once=True, atomic="other")
    with (
        override_settings(DATABASE_ROUTERS=[f"{__name__}.KeepOut"]),
        pytest.raises(ConfigurationError, match="router keeps the inbox's table out of the database 'other'"),
    ):
        Consumer("orders", "billing")


def test_a_database_that_is_not_there_is_found_before_the_start(registry):
    registry.register(print, stream="orders", group="billing", atomic="nowhere")
    with pytest.raises(ConfigurationError, match="there is no database 'nowhere'"):
        Consumer("orders", "billing")
