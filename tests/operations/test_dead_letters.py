"""Dead letters: pages, filters, and what is known of each."""

import json
from datetime import UTC, datetime

import pytest

from stream_events import Reject, StreamPublisher
from stream_events.consuming import Consumer
from stream_events.exceptions import ConfigurationError
from stream_events.keys import group_keys
from stream_events.operations.dead_letters import (
    LetterFilter,
    Requeue,
    dead_letter_ids,
    dead_letters,
    error_classes,
    letter,
    letters_page,
)
from stream_events.operations.pages import Budget
from tests.consuming.test_group import SHAPES

KEYS = group_keys("orders", "billing", "t:")

pytestmark = pytest.mark.usefixtures("registry", "server")


def bury(server, error="ValueError: no", *, payload=None, **reasons):
    fields = {"payload": json.dumps(payload or {"obj_id": 1, "obj_type": "shop.order", "action": "create"})}
    fields |= {f"dead_{name}": value for name, value in {"reason": "rejected", "error": error, **reasons}.items()}
    return server.xadd(KEYS.dead, fields).decode()


def found(**where):
    return [one.id for one in letters_page("orders", "billing", LetterFilter(**where)).rows]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pages_go_from_the_newest_to_the_oldest(server, settings, shape):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "OPTIONS": shape}
    ids = [bury(server) for _ in range(3)]
    first = letters_page("orders", "billing", size=2)
    second = letters_page("orders", "billing", size=2, before=first.after)
    assert [one.id for one in (*first.rows, *second.rows)] == ids[::-1]
    assert (first.total, first.after, second.after) == (3, ids[1], None)
    assert [one.id for one in dead_letters("orders", "billing")] == ids


@pytest.mark.django_db
def test_a_letter_says_all_that_its_consumer_knew(server, registry):
    def reject(event):
        raise Reject("no such customer: 7")

    registry.register(reject, stream="orders", group="billing", name="invoice")
    (entry_id, _) = StreamPublisher("orders").add({"obj_id": 1})
    Consumer("orders", "billing", drain=True).run()
    (one,) = letters_page("orders", "billing").rows
    assert (one.entry_id, one.reason, one.handler, one.delivery_count) == (entry_id, "rejected", "invoice", 1)
    assert (one.error_class, one.error) == ("Reject", "Reject: no such customer: 7")
    assert one.traceback.endswith("Reject: no such customer: 7\n")
    assert one.at.tzinfo is not None
    assert one.consumer
    assert one.fields[b"payload"] == b'{"obj_id":1}'
    assert one.history == ()
    assert letter("orders", "billing", one.id) == one


def test_a_letter_that_says_nothing_is_no_error(server):
    letter_id = server.xadd(KEYS.dead, {"dead_at": "soon", "dead_delivery_count": "many", b"dead_\xff": b"\xff"})
    one = letter("orders", "billing", letter_id.decode())
    assert (one.entry_id, one.reason, one.error_class, one.delivery_count, one.fields) == ("", "", "", 0, {})
    assert one.at <= datetime.now(UTC)


def test_what_is_not_there_is_none(server):
    assert letter("orders", "billing", "1-0") is None
    assert letters_page("orders", "billing").rows == ()
    assert error_classes("orders", "billing") == ({}, True)
    with pytest.raises(ConfigurationError, match="no id of a dead letter"):
        letter("orders", "billing", "last")


@pytest.mark.parametrize(
    ("error", "reason", "expected"),
    [
        ("ValueError: no: never", "max_deliveries", "ValueError"),
        ("KeyError", "max_deliveries", "KeyError"),
        ("requests.Timeout: late", "max_deliveries", "requests.Timeout"),
        ("The stream was trimmed while the entry was pending.", "trimmed", "trimmed"),
        ("entry 1-0: the payload is not JSON: no", "undecodable", "undecodable"),
        ("", "oversized", "oversized"),
    ],
    ids=["colon", "alone", "dotted", "sentence", "sentence_with_colon", "none"],
)
def test_the_class_of_an_error_is_what_was_raised_or_the_reason(server, error, reason, expected):
    letter_id = bury(server, error, reason=reason)
    assert letter("orders", "billing", letter_id).error_class == expected
    assert found(error=expected) == [letter_id]


class TestHistory:
    def test_is_what_requeuing_has_noted(self, server):
        noted = [{"at": "2026-01-01T10:00:00+00:00", "by": "ana", "error": "ValueError: no"}]
        letter_id = server.xadd(KEYS.dead, {"payload": "{}", "requeued_history": json.dumps(noted)}).decode()
        (one,) = letter("orders", "billing", letter_id).history
        assert one == Requeue(datetime(2026, 1, 1, 10, tzinfo=UTC), "ana", "ValueError: no")

    @pytest.mark.parametrize("stored", ["[", "{}", "[1, [2]]", '"x"'])
    def test_is_empty_where_nothing_can_be_read(self, server, stored):
        letter_id = server.xadd(KEYS.dead, {"payload": "{}", "requeued_history": stored}).decode()
        assert letter("orders", "billing", letter_id).history == ()

    def test_may_lack_anything(self, server):
        letter_id = server.xadd(KEYS.dead, {"payload": "{}", "requeued_history": '[{"at": 5}]'}).decode()
        assert letter("orders", "billing", letter_id).history == (Requeue(None, "", ""),)

    def test_is_kept_beside_fields_that_are_packed(self, server):
        fields = {"dead_fields": "7:payload2:{}", "requeued_history": '[{"by": "ana"}]'}
        one = letter("orders", "billing", server.xadd(KEYS.dead, fields).decode())
        assert (one.fields, one.history[0].by) == ({b"payload": b"{}"}, "ana")


class TestFilters:
    def test_the_class_of_the_error(self, server):
        bury(server, "KeyError: ValueError")
        wanted = bury(server, "ValueError: no")
        assert found(error="ValueError") == [wanted]

    def test_the_reason_and_the_handler(self, server):
        one = bury(server, reason="crashed", handler="invoice")
        two = bury(server, reason="crashed", handler="search")
        bury(server, reason="rejected", handler="search")
        assert found(reason="crashed") == [two, one]
        assert found(reason="crashed", handler="search") == [two]

    @pytest.mark.parametrize("event", ["shop.order", "update", "shop.order update"])
    def test_the_event(self, server, event):
        bury(server, payload={"obj_type": "shop.customer", "action": "create"})
        wanted = bury(server, payload={"obj_type": "shop.order", "action": "update"})
        server.xadd(KEYS.dead, {"payload": "[", "dead_reason": "undecodable"})
        server.xadd(KEYS.dead, {"payload": "[1]", "dead_reason": "undecodable"})
        assert found(event=event) == [wanted]

    def test_the_event_in_packed_fields(self, server):
        payload = json.dumps({"obj_type": "shop.order"})
        wanted = server.xadd(KEYS.dead, {"dead_fields": f"7:payload{len(payload)}:{payload}"}).decode()
        assert found(event="shop.order") == [wanted]

    def test_the_time(self, server):
        ids = [bury(server) for _ in range(5)]
        assert found(since=ids[1], until=ids[3]) == ids[3:0:-1]

    def test_is_cut_when_the_budget_is_spent_and_goes_on_there(self, server):
        wanted = bury(server, "KeyError: 1")
        for _ in range(300):
            bury(server)
        where = LetterFilter(error="KeyError")
        page = letters_page("orders", "billing", where, budget=Budget(rows=200))
        assert (page.rows, page.is_cut, page.scanned, page.total) == ((), True, 200, 301)
        page = letters_page("orders", "billing", where, before=page.after)
        assert ([one.id for one in page.rows], page.is_cut) == ([wanted], False)


def test_error_classes_are_counted_the_most_frequent_first(server):
    for error in ("KeyError: 1", "ValueError: no", "ValueError: never"):
        bury(server, error)
    counts, is_all = error_classes("orders", "billing")
    assert list(counts.items()) == [("ValueError", 2), ("KeyError", 1)]
    assert is_all


def test_error_classes_of_the_newest_only_say_so(server):
    bury(server, "KeyError: 1")
    for _ in range(200):
        bury(server)
    assert error_classes("orders", "billing", Budget(rows=150)) == ({"ValueError": 150}, False)


class TestIdsByEntry:
    def test_are_those_of_the_entries_that_are_dead(self, server):
        letter_id = bury(server, entry_id="1700000000000-3")
        wanted = ["1700000000000-3", "1700000000000-4"]
        assert dead_letter_ids("orders", "billing", wanted) == {"1700000000000-3": letter_id}

    def test_are_looked_for_from_the_entry_on_and_no_further_than_the_budget(self, server):
        for _ in range(200):
            bury(server, entry_id="1-0")
        letter_id = bury(server, entry_id="2-0")
        assert dead_letter_ids("orders", "billing", ["2-0"], Budget(rows=150)) == {}
        assert dead_letter_ids("orders", "billing", ["2-0"]) == {"2-0": letter_id}

    def test_may_lie_in_the_same_millisecond(self, server):
        server.xadd(KEYS.dead, {"dead_entry_id": "1700000000000-7"}, id="1700000000000-1")
        assert dead_letter_ids("orders", "billing", ["1700000000000-7"]) == {"1700000000000-7": "1700000000000-1"}

    def test_nothing_is_asked_for_nothing(self, server, trips):
        trips.clear()
        assert dead_letter_ids("orders", "billing", []) == {}
        assert trips == []


def test_groups_of_other_programs_have_any_names(server):
    server.xadd(b"{t:orders}:\xff:dead", {"dead_reason": "x"})
    assert len(letters_page("orders", "\\xff").rows) == 1
