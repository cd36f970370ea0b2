"""What Redis does not take waits in the outbox, and arrives in order when it does."""

import contextlib
import json

import pytest
import redis
from django.db import connections, transaction

from stream_events import StreamPublisher
from stream_events.models import OutboxEvent
from stream_events.publishing import outbox
from stream_events.publishing.breaker import breaker
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import make_entry
from stream_events.publishing.outbox import write_outbox
from stream_events.publishing.spill import spilled
from tests.conftest import wait_for
from tests.faults.proxy import Proxy
from tests.outboxes import TABLE
from tests.shop.models import Order, Parcel

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])
fault = pytest.mark.fault


def waiting(using="default"):
    """Streams and event ids in the outbox, oldest first."""
    rows = OutboxEvent.objects.using(using).order_by("position")
    return [(row.aggregatetype, str(row.event_id)) for row in rows]


def wait_until_sent():
    wait_for(lambda: not spilled, "the sending of what was spilled")
    assert waiting("default") == waiting("other") == []


def order(number, using=None):
    return Order.objects.using(using).create(number=number)


@contextlib.contextmanager
def missing_outbox():
    """The default database has no table for it meanwhile."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO elsewhere")
    try:
        yield
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {TABLE}")


@pytest.fixture(params=["pause", "kill"])
def outage(real, request):
    """Redis hangs, or refuses connections, until it is told to come back."""
    order("before")
    getattr(real, request.param)()
    back = {"pause": real.go_on, "kill": real.start}[request.param]
    with contextlib.ExitStack() as stack:
        stack.callback(back)
        yield lambda: stack.pop_all().close()


def test_all_arrive_in_order_with_the_ids_they_had_and_their_time(outage, numbers, arrived):
    for number in range(20):
        order(number)
    with transaction.atomic():
        order("20")
        order("21")
    ids = [event_id for _, event_id in waiting()]
    assert len(set(ids)) == 22
    times = [row.created_at for row in OutboxEvent.objects.order_by("position")]
    outage()
    expected = ["before", *map(str, range(22))]
    assert list(dict.fromkeys(numbers(23))) == expected
    wait_until_sent()
    entries = arrived("orders")
    assert list(dict.fromkeys(one["event_id"].decode() for one in entries))[1:] == ids
    assert [one["occurred_at"].decode() for one in entries if "occurred_at" in one] == [
        time.isoformat() for time in times
    ]
    assert "occurred_at" not in entries[0]


def test_after_it_everything_is_direct_again(outage, numbers, arrived):
    order("spilled")
    outage()
    numbers(2)
    wait_until_sent()
    order("direct")
    assert numbers()[-1] == "direct"
    assert "occurred_at" not in arrived("orders")[-1]


def test_it_is_counted_and_said_without_the_payload(real, caplog):
    before = outcomes["spilled"], outcomes["lost"]
    real.kill()
    order("secret number")
    assert (outcomes["spilled"], outcomes["lost"]) == (before[0] + 1, before[1])
    assert "events_spilled streams=orders count=1" in caplog.text
    assert "secret number" not in caplog.text
    real.start()


def test_what_was_rolled_back_is_not_spilled(real):
    real.kill()
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        order("A1")
        raise ZeroDivisionError
    assert waiting() == []
    real.start()


def test_new_events_of_a_stream_wait_behind_spilled_ones_and_those_of_others_do_not(real, arrived, numbers):
    real.client.set("orders", "no stream")
    order("A1")
    real.client.delete("orders")
    with transaction.atomic():
        order("A2")
        Parcel.objects.create(name="p")
        order("A3")
    assert len(arrived("tracked")) == 1
    assert numbers(3) == ["A1", "A2", "A3"]
    wait_until_sent()


def test_an_interrupted_request_spills_what_was_in_hand(real, numbers, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(breaker, "check", interrupt)
        with pytest.raises(KeyboardInterrupt):
            order("A1")
    assert numbers(1) == ["A1"]
    wait_until_sent()


REFUSALS = {
    "another type": (["SET", "orders", "no stream"], ["DEL", "orders"]),
    "maxmemory": (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
    "a replica": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
    "no replicas": (
        ["CONFIG", "SET", "min-replicas-to-write", "1"],
        ["CONFIG", "SET", "min-replicas-to-write", "0"],
    ),
    "no permission": (["ACL", "SETUSER", "default", "-xadd"], ["ACL", "SETUSER", "default", "+xadd"]),
}


@pytest.mark.parametrize(("hurt", "heal"), REFUSALS.values(), ids=list(REFUSALS))
@pytest.mark.parametrize("count", [1, 3])
def test_what_redis_refuses_is_spilled_as_well(real, numbers, hurt, heal, count):
    real.client.execute_command(*hurt)
    with transaction.atomic():
        for number in range(count):
            order(number)
    assert len(waiting()) == count
    order("later")
    real.client.execute_command(*heal)
    assert numbers(count + 1) == [*map(str, range(count)), "later"]
    wait_until_sent()


def test_a_stream_that_stays_refused_keeps_no_other_from_being_sent(real, arrived):
    real.client.set("orders", "no stream")
    with transaction.atomic():
        for number in range(600):  # more than a relay takes at once
            order(number)
    write_outbox([make_entry("invoices", {"obj_id": 1})], "default")
    assert len(arrived("invoices", 1)) == 1
    wait_for(lambda: {stream for stream, _ in waiting()} == {"orders"}, "the end of what was sent")


def test_a_database_that_fails_keeps_no_other_from_being_sent(real, arrived, caplog):
    real.kill()
    order("A1")
    Order.objects.using("other").create(number="B1")
    with missing_outbox():
        real.start()
        assert len(arrived("orders", 1)) == 1
        wait_for(lambda: "recovery_failed" in caplog.text, "the complaint")
    assert len(arrived("orders", 2)) == 2
    wait_until_sent()


class TestTheTableIsMissing:
    @pytest.fixture(autouse=True)
    def _missing(self, real):
        with missing_outbox():
            real.kill()
            yield

    def test_every_event_is_logged_and_the_caller_goes_on(self, caplog):
        ran = []
        before = outcomes["lost"]
        with transaction.atomic():
            orders = [order("secret number"), order("another")]
            transaction.on_commit(lambda: ran.append(True))
        assert ran
        assert Order.objects.count() == 2
        for one in orders:
            assert f"event_not_published stream=orders event='shop.order:{one.pk} create'" in caplog.text
        assert "run migrate?" in caplog.text
        assert "secret number" not in caplog.text
        assert outcomes["lost"] == before + 2

    def test_a_transaction_that_goes_on_in_the_outboxs_database_is_not_hurt(self, settings, caplog):
        settings.DATABASE_ROUTERS = [f"{__name__}.DefaultOnly"]
        with transaction.atomic():
            order("A1")
            order("B1", using="other")
            order("A2")
        assert "run migrate?" in caplog.text
        assert Order.objects.count() == 2


class Nowhere:
    def allow_migrate(self, db, app_label, **hints):
        return app_label != "stream_events"

    def db_for_write(self, model, **hints):
        return "nowhere" if model is OutboxEvent else None


class Lost:
    def allow_migrate(self, db, app_label, **hints):
        raise LookupError("no way")


class DefaultOnly:
    def allow_migrate(self, db, app_label, **hints):
        return db == "default" if app_label == "stream_events" else None


def test_an_event_of_a_database_that_may_have_no_outbox_is_spilled_to_the_one_that_has(real, settings, numbers):
    settings.DATABASE_ROUTERS = [f"{__name__}.DefaultOnly"]
    real.client.set("orders", "no stream")
    order("A1", using="other")
    assert (len(waiting("default")), len(waiting("other"))) == (1, 0)
    real.client.delete("orders")
    order("A2", using="other")  # waits behind the first all the same
    assert numbers(2) == ["A1", "A2"]
    wait_until_sent()


def test_whatever_keeps_events_from_the_outbox_the_log_names_them(real, settings, caplog):
    settings.DATABASE_ROUTERS = [f"{__name__}.Nowhere"]
    real.kill()
    order("A1")
    assert Order.objects.count() == 1
    assert "event_not_published stream=orders" in caplog.text


def test_the_log_names_the_database_whose_outbox_took_nothing(real, settings, caplog):
    settings.DATABASE_ROUTERS = [f"{__name__}.DefaultOnly"]
    with missing_outbox():
        real.kill()
        order("B1", using="other")
    assert "events_not_spilled database=default" in caplog.text
    assert "event_not_published stream=orders" in caplog.text


def test_a_router_that_fails_costs_the_log_nothing(real, settings, caplog):
    settings.DATABASE_ROUTERS = [f"{__name__}.Lost"]
    real.kill()
    order("A1")
    assert "events_not_spilled database=default error='no way'" in caplog.text
    assert "event_not_published stream=orders" in caplog.text


def test_of_many_events_all_are_spilled_or_none(real, settings, monkeypatch):
    def fail_later(connection, count):
        monkeypatch.setattr(outbox, "_statement", lambda *_: "INSERT INTO nowhere")
        return statement(connection, count)

    statement = outbox._statement
    monkeypatch.setattr(outbox, "_statement", fail_later)
    before = outcomes["lost"]
    real.kill()
    with transaction.atomic():
        for number in range(outbox.AT_A_TIME + 1):
            order(number)
    assert waiting() == []
    assert outcomes["lost"] == before + outbox.AT_A_TIME + 1


class TestOtherAnswersToFailure:
    @pytest.fixture(autouse=True)
    def _kill(self, real):
        real.kill()

    @pytest.mark.parametrize("answer", ["log", "raise"])
    def test_nothing_is_spilled(self, settings, answer, caplog):
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ON_FAILURE": answer}
        raises = pytest.raises(redis.ConnectionError) if answer == "raise" else contextlib.nullcontext()
        with raises, transaction.atomic():
            order("A1")
        assert Order.objects.count() == 1
        assert waiting() == []
        assert "event_not_published stream=orders" in caplog.text


@fault("F15")
class TestALostReply:
    @pytest.fixture
    def proxy(self, real, settings):
        proxy = Proxy(real.port)
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "URL": f"redis://127.0.0.1:{proxy.port}/0"}
        order("before")
        yield proxy
        proxy.close()

    @pytest.mark.parametrize(("command", "count"), [("XADD", 1), ("EVAL", 3)])
    def test_gives_at_most_a_duplicate_with_the_same_event_id(self, proxy, arrived, command, count):
        proxy.drop(command)
        with transaction.atomic():
            for number in range(count):
                order(number)
        assert proxy.dropped == [command]
        order("after")
        entries = arrived("orders", 2 * count + 2)
        wait_until_sent()
        ids = [one["event_id"] for one in entries]
        assert ids == [ids[0], *ids[1 : count + 1] * 2, ids[-1]]
        assert len(set(ids)) == count + 2

    @pytest.mark.slow
    @pytest.mark.parametrize(("command", "count"), [("XADD", 1), ("EVAL", 3)])
    def test_when_a_relay_sends_as_well(self, proxy, real, arrived, command, count):
        real.client.set("orders", "no stream")
        with transaction.atomic():
            for number in range(count):
                order(number)
        ids = [event_id for _, event_id in waiting()]
        proxy.drop(command, 2)
        wait_for(lambda: proxy.dropped, "the lost refusal")
        proxy.drop(command)
        real.client.delete("orders")
        entries = arrived("orders", 2 * count)
        wait_until_sent()
        assert [one["event_id"].decode() for one in entries] == ids * 2


def test_numbers_that_are_no_json_integers_keep_their_type(real, arrived):
    real.kill()
    StreamPublisher("orders").publish(order("A1"), "paid", data={"amount": 1.5, "text": "ü\u0000"})
    real.start()
    payload = json.loads(arrived("orders", 2)[1]["payload"])
    assert payload["data"] == {"amount": 1.5, "text": "ü\u0000"}
    assert isinstance(payload["obj_id"], int)
