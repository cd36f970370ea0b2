"""Events for rows that exist already: which rows, what they say, and how far a run has come."""

import json
import time

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from stream_events import StreamPublisher, suppress
from stream_events.exceptions import EventEncodeError, SelectionError
from stream_events.publishing.backfill import Backfill
from stream_events.publishing.bookmark import Bookmark
from stream_events.publishing.counts import outcomes
from stream_events.publishing.selection import select
from tests.shop import models

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def orders(server):
    """Five orders, numbered from 0, of which no event is left."""
    made = [models.Order.objects.create(number=str(number)) for number in range(5)]
    server.flushall()
    return made


@pytest.fixture
def numbers(entries):
    return lambda: [event["data"]["number"] for event in entries("orders")]


def publish(label, stream=None, *, action="update", chunk=500, **conditions):
    """A finished run."""
    backfill = Backfill(select(label, stream, **conditions), action)
    list(backfill.run(chunk))
    return backfill


class TestWhatIsPublished:
    def test_a_row_says_what_a_save_would_say(self, orders, entries):
        publish("shop.Order")
        models.Order.objects.get(number="4").save()
        assert entries("orders")[4] == entries("orders")[5]

    def test_rows_come_in_the_order_of_their_keys_whatever_the_chunks(self, orders, numbers):
        assert publish("shop.Order", chunk=2).published == 5
        assert numbers() == ["0", "1", "2", "3", "4"]

    def test_they_are_counted_for_the_metrics(self, orders):
        before = outcomes["published"]
        publish("shop.Order", chunk=2)
        assert outcomes["published"] == before + 5

    def test_any_verb_can_be_said_of_them(self, orders, entries):
        publish("shop.Order", action="imported")
        assert {event["action"] for event in entries("orders")} == {"imported"}

    def test_keys_that_are_no_numbers_are_read_in_chunks_as_well(self, server, entries):
        keys = {str(models.Customer.objects.create(name="Ada").pk) for _ in range(5)}
        server.flushall()
        publish("shop.Customer", chunk=2)
        assert {event["obj_id"] for event in entries("customers")} == keys
        assert len(entries("customers")) == 5

    def test_a_child_is_published_as_the_model_that_declares(self, server, entries):
        models.Place.objects.create(name="a square")
        bars = [models.Bar.objects.create(name=name) for name in "abc"]
        server.flushall()
        publish("shop.Bar", chunk=2)
        found = [(event["obj_type"], event["obj_id"]) for event in entries("places")]
        assert found == [("shop.place", bar.pk) for bar in bars]

    def test_rows_that_the_managers_hide_are_published(self, server, entries):
        models.Hidden.objects.create(name="a")
        server.flushall()
        assert publish("shop.Hidden").published == 1

    def test_the_rows_of_another_database(self, server, entries):
        models.Order.objects.using("other").create(number="elsewhere")
        server.flushall()
        assert publish("shop.Order", using="other").published == 1
        assert publish("shop.Order").published == 0

    def test_rows_that_are_added_meanwhile_are_left_to_their_own_events(self, orders, numbers):
        for _ in Backfill(select("shop.Order", None), "update").run(2):
            if len(numbers()) == 2:
                models.Order.objects.create(number="new")
        assert numbers() == ["0", "1", "new", "2", "3", "4"]

    def test_chunks_are_read_by_key_and_nothing_else_is(self, orders):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            publish("shop.Order", chunk=2)
        assert len(queries) == 4  # where it ends, and three chunks
        assert not any("OFFSET" in query["sql"] for query in queries)


class TestSelection:
    @pytest.mark.parametrize(
        ("filters", "excludes", "expected"),
        [
            ([("number", "3")], [], ["3"]),
            ([("number__in", "1,3")], [], ["1", "3"]),
            ([("number__gte", "2"), ("number__lt", "4")], [], ["2", "3"]),
            ([], [("number", "0"), ("number__range", "2,3")], ["1", "4"]),
            ([("customer__isnull", "false")], [], []),
            ([("due__gte", "2026-01-31")], [], []),
            ([("pk__gt", "0")], [("customer__isnull", "False")], ["0", "1", "2", "3", "4"]),
        ],
    )
    def test_lookups_select_rows(self, orders, numbers, filters, excludes, expected):
        backfill = Backfill(select("shop.Order", None, filters=filters, excludes=excludes), "update")
        assert backfill.count() == len(expected)
        list(backfill.run(2))
        assert numbers() == expected

    def test_a_row_that_a_relation_finds_twice_is_published_once(self, server, entries):
        customers = [models.Customer.objects.create(name=name) for name in "ab"]
        for customer in customers * 3:
            models.Order.objects.create(number="A", customer=customer)
        server.flushall()
        backfill = Backfill(select("shop.Customer", None, filters=[("order__number", "A")]), "update")
        assert backfill.count() == 2
        assert sum(backfill.run(2)) == 2
        assert len(entries("customers")) == 2

    def test_one_of_several_publishers_is_named_by_its_stream(self, server):
        assert select("shop.Restaurant", "places").attachment.model is models.Place
        assert select("shop.Restaurant", "restaurants").attachment.model is models.Restaurant
        assert select("shop.RushOrder", None).attachment.model is models.Order

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (
                {"label": "Order"},
                r"no model 'Order'.* Did you mean shop.Order\?\nPublishers:\n(  .*\n)*  shop.Order --s",
            ),
            ({"label": "shop.Ordr"}, r"Did you mean shop.Order\?"),
            ({"label": "shop.Quiet"}, "shop.Quiet has no publisher.\nPublishers:\n"),
            ({"label": "shop.Order", "stream": "order"}, r"'order', only to orders. Did you mean orders\?"),
            ({"label": "shop.Restaurant"}, "publishes to places, restaurants: say with --stream"),
            ({"label": "shop.Coordinate"}, "composite primary key"),
            ({"label": "shop.Order", "using": "othr"}, r"only default, other. Did you mean other\?"),
        ],
    )
    def test_what_is_not_there_is_refused_with_what_is(self, arguments, reason):
        with pytest.raises(SelectionError, match=reason):
            select(**{"stream": None, **arguments})

    @pytest.mark.parametrize(
        ("condition", "reason"),
        [
            (("stats", "x"), r"Choices are: .*, status.* Did you mean status\?"),
            (("customer__nam", "x"), r"Did you mean customer__name\?"),
            (("status__lke", "x"), "Unsupported lookup 'lke'"),
            (("quantity", "many"), "quantity=many: .* expected a number"),
            (("due__gte", "soon"), "due__gte=soon: .*format"),
            (("due__isnull", "maybe"), "true or false"),
            (("quantity__range", "5"), "the first and the last one"),
        ],
    )
    def test_a_condition_that_cannot_be_is_refused(self, condition, reason):
        for option in ("filters", "excludes"):
            with pytest.raises(SelectionError, match=reason):
                select("shop.Order", None, **{option: [condition]}).rows()

    def test_two_publishers_to_one_stream_cannot_be_told_apart(self):
        another = StreamPublisher("shelves")
        another.attachments.update(models.Shelf.events.attachments)
        with pytest.raises(SelectionError, match="2 publishers to 'shelves'"):
            select("shop.Shelf", "shelves")
        another.attachments.clear()


class TestWhereItStops:
    def test_after_a_stop_the_chunk_in_hand_is_the_last(self, orders, numbers):
        backfill = Backfill(select("shop.Order", None), "update")
        for _ in backfill.run(2):
            backfill.stop()
        assert (backfill.finished, backfill.last) == (False, str(orders[1].pk))
        assert numbers() == ["0", "1"]

    def test_it_goes_on_after_a_key(self, orders, numbers):
        backfill = Backfill(select("shop.Order", None), "update", after=str(orders[2].pk))
        assert backfill.count() == 2
        list(backfill.run(1))
        assert numbers() == ["3", "4"]

    def test_a_key_that_is_none_is_refused(self):
        with pytest.raises(SelectionError, match=r"'x' is no key of shop\.Order"):
            Backfill(select("shop.Order", None), "update", after="x")

    def test_redis_away_loses_nothing(self, orders, settings, numbers):
        backfill = Backfill(select("shop.Order", None), "update")
        run = backfill.run(2)
        next(run)
        settings.STREAM_EVENTS = {"URL": "redis://127.0.0.1:1/0"}
        with pytest.raises(redis.ConnectionError):
            next(run)
        assert (backfill.published, backfill.last) == (2, str(orders[1].pk))

    def test_what_redis_refuses_stops_it(self, orders, server):
        backfill = Backfill(select("shop.Order", None), "update")
        run = backfill.run(2)
        next(run)
        server.set("t:orders", "no stream")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            next(run)
        assert (backfill.published, backfill.last) == (2, str(orders[1].pk))

    def test_a_row_without_an_event_stops_it_behind_the_rows_before(self, orders, settings, numbers):
        with suppress("orders"):
            models.Order.objects.filter(number="3").update(notes={"long": "x" * 500})
        settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "MAX_PAYLOAD": 500}
        backfill = Backfill(select("shop.Order", None), "update")
        with pytest.raises(EventEncodeError, match="MAX_PAYLOAD"):
            list(backfill.run(500))
        assert (backfill.published, backfill.last) == (3, str(orders[2].pk))
        assert backfill.unfit == str(orders[3].pk)
        assert numbers() == ["0", "1", "2"]

    def test_a_first_payload_is_shown_without_publishing(self, orders, entries):
        payload = Backfill(select("shop.Order", None), "update").first_payload(500)
        assert (payload["obj_id"], payload["data"]["number"]) == (orders[0].pk, "0")
        assert entries("orders") == []

    def test_no_rows_have_no_first_payload(self, server):
        assert Backfill(select("shop.Order", None), "update").first_payload(500) is None


class TestBookmark:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "state.json"

    def backfill(self, path, **run):
        return Backfill(select("shop.Order", None), "update", bookmark=Bookmark(path, {"model": "shop.Order", **run}))

    def test_another_run_goes_on_where_the_first_was_killed(self, orders, numbers, path):
        run = self.backfill(path).run(2)
        next(run)
        assert json.loads(path.read_text()) == {"model": "shop.Order", "after": str(orders[1].pk)}
        again = self.backfill(path)
        assert again.count() == 3
        list(again.run(2))
        assert numbers() == ["0", "1", "2", "3", "4"]

    def test_nothing_is_left_of_it_at_the_end(self, orders, path):
        list(self.backfill(path).run(2))
        assert list(path.parent.iterdir()) == []

    def test_a_run_that_has_not_begun_begins_at_the_beginning(self, orders, numbers, path):
        Bookmark(path, {"model": "shop.Order"}).record(None)
        list(self.backfill(path).run(2))
        assert len(numbers()) == 5

    def test_a_key_by_hand_passes_over_rows_and_the_record_still_counts(self, orders, numbers, path):
        def run():
            bookmark = Bookmark(path, {"model": "shop.Order"})
            return Backfill(select("shop.Order", None), "update", after=str(orders[1].pk), bookmark=bookmark).run(2)

        next(run())
        list(run())
        assert numbers() == ["2", "3", "4"]

    def test_the_record_of_another_run_is_refused(self, orders, path):
        next(self.backfill(path, action="update").run(2))
        with pytest.raises(SelectionError, match="another run: its action is 'update', not 'imported'"):
            self.backfill(path, action="imported")

    @pytest.mark.parametrize("text", ["", "[]", "{}", "\xff"])
    def test_what_is_no_record_is_refused(self, path, text):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(SelectionError, match="cannot be read as the state of a run"):
            self.backfill(path)

    def test_a_file_that_cannot_be_written_is_found_before_anything_is_published(self, orders, numbers, path):
        with pytest.raises(OSError, match="No such file"):
            next(self.backfill(path.parent / "nowhere" / "state.json").run(2))
        assert numbers() == []


class TestRate:
    def test_no_more_events_leave_than_the_rate_allows(self, orders):
        started = time.monotonic()
        assert sum(Backfill(select("shop.Order", None), "update").run(500, rate=20)) == 5
        # The last of them waits for those before it, which is a matter of the promise, not of the machine's speed.
        assert time.monotonic() - started >= 4 / 20

    def test_chunks_shrink_so_that_events_leave_evenly(self, orders):
        assert list(Backfill(select("shop.Order", None), "update").run(500, rate=10)) == [2, 2, 1]

    def test_a_stop_ends_the_longest_pause(self, orders, numbers):
        backfill = Backfill(select("shop.Order", None), "update")
        for _ in backfill.run(500, rate=0.0001):
            backfill.stop()
        assert numbers() == ["0"]
