"""Entries of a stream, and what every group has made of one."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from stream_events import Reject, Retry, StreamPublisher
from stream_events.consuming import Consumer
from stream_events.exceptions import ConfigurationError
from stream_events.keys import group_keys
from stream_events.operations.dead_letters import dead_letters, requeue
from stream_events.operations.entries import Delivery, entry_statuses, stream_entries, stream_entry
from stream_events.operations.pages import Budget
from stream_events.operations.pending import EntryState
from stream_events.operations.places import place_at
from tests.conftest import wait_for
from tests.consuming.test_group import SHAPES

KEYS = group_keys("orders", "billing", "t:")
KEY = KEYS.stream

pytestmark = pytest.mark.usefixtures("registry", "server")


def publish(count, **payload):
    return StreamPublisher("orders").batch_add([{"obj_id": number, **payload} for number in range(count)])[0]


def steps(trips):
    """How many entries were asked for each time."""
    return [int(one.rpartition(b"COUNT")[2].split()[1]) for one in trips if b"XREVRANGE" in one]


def ids(page):
    return [one.entry_id for one in page.rows]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pages_go_from_the_newest_to_the_oldest_and_back(server, settings, shape):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": shape}
    added = publish(5)
    first = stream_entries("orders", size=2)
    second = stream_entries("orders", size=2, before=first.after)
    third = stream_entries("orders", size=2, before=second.after)
    assert ids(first) + ids(second) + ids(third) == added[::-1]
    assert (first.total, third.after) == (5, None)
    back = stream_entries("orders", size=2, after=ids(third)[0])
    assert (ids(back), back.after) == (added[1:3], added[2])
    assert stream_entries("orders", size=2, after=added[2]).after is None


def test_an_entry_has_its_fields(server):
    (entry_id,) = publish(1)
    (entry,) = stream_entries("orders").rows
    assert (entry.entry_id, entry.fields[b"payload"], entry.delivery) == (entry_id, b'{"obj_id":0}', None)
    assert timedelta(0) <= datetime.now(UTC) - entry.added_at < timedelta(minutes=1)
    assert stream_entry("orders", entry_id) == entry


def test_what_is_not_there_is_empty(server):
    assert stream_entries("orders").rows == ()
    assert stream_entry("orders", "1-0") is None
    assert entry_statuses("orders", "1-0") == []
    server.lpush(KEY, "x")
    assert stream_entries("orders", group="billing").rows == ()


def test_what_is_no_id_is_refused(server):
    publish(1)
    for call in (lambda: stream_entries("orders", before="now"), lambda: stream_entry("orders", "1-2-3")):
        with pytest.raises(ConfigurationError, match="is no entry id"):
            call()


class TestContains:
    @pytest.mark.parametrize("text", ["größe 7", "Fine"], ids=ascii)
    def test_finds_text_as_people_write_it(self, server, text):
        publish(3)
        (wanted,) = publish(1, note="größe 7, FINE")
        assert ids(stream_entries("orders", contains=text)) == [wanted]

    def test_takes_what_is_no_text_for_what_nobody_has(self, server):
        publish(1)
        assert ids(stream_entries("orders", contains="\udcff")) == []

    def test_looks_at_names_of_fields(self, server):
        publish(1)
        entry_id = server.xadd(KEY, {"colour": "red"}).decode()
        assert ids(stream_entries("orders", contains="colour")) == [entry_id]

    def test_is_cut_when_the_budget_is_spent_and_goes_on_there(self, server):
        wanted, *others = publish(1200)
        assert others
        page = stream_entries("orders", contains='"obj_id":0}', budget=Budget(rows=1000))
        assert (page.rows, page.is_cut, page.scanned) == ((), True, 1000)
        page = stream_entries("orders", contains='"obj_id":0}', before=page.after)
        assert (ids(page), page.is_cut, page.after) == ([wanted], False, None)

    def test_heavy_entries_are_read_a_few_at_a_time(self, server, trips):
        for _ in range(60):
            server.xadd(KEY, {"payload": b"x" * 100_000})
        trips.clear()
        stream_entries("orders", contains="nothing", size=5)
        assert steps(trips)[:3] == [6, 9, 9]

    def test_what_entries_weigh_is_known_before_a_page_of_them_is_read(self, server, trips):
        for _ in range(60):
            server.xadd(KEY, {"payload": b"x" * 100_000})
        trips.clear()
        assert len(stream_entries("orders", size=50).rows) == 50
        assert steps(trips) == [10, 9, 9, 9, 9, 5]

    def test_a_page_of_small_entries_is_two_steps(self, server, trips):
        publish(60)
        trips.clear()
        assert len(stream_entries("orders", size=50).rows) == 50
        assert steps(trips) == [10, 41]


class TestDelivery:
    def test_of_each_entry_to_the_group(self, server):
        dead, done, held, unread = publish(4)
        server.xgroup_create(KEY, "billing", "0")
        server.xreadgroup("billing", "one", {KEY: ">"}, count=3)
        server.execute_command("XACK", KEY, "billing", dead, done)
        server.xadd(KEYS.dead, {"payload": "{}", "dead_entry_id": dead})
        page = stream_entries("orders", group="billing")
        assert {one.entry_id: one.delivery for one in page.rows} == {
            dead: Delivery.DEAD,
            done: Delivery.DONE,
            held: Delivery.PENDING,
            unread: Delivery.UNREAD,
        }

    def test_to_a_group_that_is_not_there(self, server):
        publish(1)
        assert stream_entries("orders", group="billing").rows[0].delivery is Delivery.UNREAD


class TestStatuses:
    def test_come_in_the_order_of_the_names(self, server, registry):
        registry.register(print, stream="orders", group="to_come")
        (entry_id,) = publish(1)
        for name in (b"z", b"a", b"\xff"):
            server.xgroup_create(KEY, name, "0")
        server.xreadgroup("z", "one", {KEY: ">"})
        found = entry_statuses("orders", entry_id)
        assert [(one.group, one.delivery) for one in found] == [
            ("\\xff", Delivery.UNREAD),
            ("a", Delivery.UNREAD),
            ("to_come", Delivery.UNREAD),
            ("z", Delivery.PENDING),
        ]
        assert found[3].pending.consumer == "one"

    def test_a_dead_letter_whose_group_reads_again_is_named_beside_it(self, server):
        (entry_id,) = publish(1)
        server.xgroup_create(KEY, "billing", "0")
        letter_id = server.xadd(KEYS.dead, {"payload": "{}", "dead_entry_id": entry_id}).decode()
        (status,) = entry_statuses("orders", entry_id)
        assert (status.delivery, status.dead_letter_id) == (Delivery.UNREAD, letter_id)

    def test_an_entry_whose_dead_letter_was_requeued_is_on_its_way_again(self, server):
        (entry_id,) = publish(1)
        server.xgroup_create(KEY, "billing", "$")
        server.xadd(KEYS.dead, {"payload": "{}", "dead_entry_id": entry_id})
        requeue("orders", "billing", [one.id for one in dead_letters("orders", "billing")])
        (status,) = entry_statuses("orders", entry_id)
        assert (status.delivery, status.dead_letter_id, status.pending) == (Delivery.UNREAD, "", None)
        server.xreadgroup("billing", "one", {KEYS.requeue: ">"})
        (status,) = entry_statuses("orders", entry_id)
        assert (status.delivery, status.pending.entry_id) == (Delivery.PENDING, status.requeued_id)

    def test_what_redis_does_not_say_is_unknown(self, server):
        (entry_id,) = publish(1)
        server.xgroup_create(KEY, "billing", "$")
        server.execute_command("ACL", "SETUSER", "default", "-xpending")
        try:
            (status,) = entry_statuses("orders", entry_id)
        finally:
            server.execute_command("ACL", "SETUSER", "default", "+xpending")
        assert status.delivery is Delivery.UNKNOWN

    @pytest.mark.django_db
    def test_of_a_running_consumer(self, server, registry):
        def handle(event):
            if event.obj_id == 0:
                raise Reject("no")
            if event.obj_id == 1:
                raise Retry(after=600)

        registry.register(handle, stream="orders", group="billing", name="handle")
        rejected, waiting, done = publish(3)
        consumer = Consumer("orders", "billing", max_seconds=20)
        thread = threading.Thread(target=consumer.run)
        thread.start()

        def status(entry_id):
            return next(iter(entry_statuses("orders", entry_id)))

        try:
            wait_for(lambda: status(done).delivery is Delivery.DONE, "the third entry")
            wait_for(lambda: status(rejected).delivery is Delivery.DEAD, "the dead letter")
            wait_for(lambda: status(waiting).pending.state is EntryState.WAITING, "the retry")
        finally:
            consumer.stop()
            thread.join()
        assert status(rejected).dead_letter_id


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "1767225600000-0"),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "1767225600000-0"),
        (datetime(2026, 1, 1), "1767225600000-0"),
        (datetime(1960, 1, 1, tzinfo=UTC), "0-0"),
    ],
    ids=["utc", "zone", "naive", "before_the_epoch"],
)
def test_a_moment_has_its_place(moment, expected):
    assert place_at(moment) == expected


def test_going_to_a_time_shows_what_was_added_before(server):
    added = [server.xadd(KEY, {"a": "1"}, id=f"{1767225600000 + 1000 * number}-0").decode() for number in range(3)]
    assert ids(stream_entries("orders", before=place_at(datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)))) == added[1::-1]
