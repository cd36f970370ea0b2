"""The regular consumer's loop, on a real server."""

import json
import threading
import time

import pytest
from django.db import OperationalError

from stream_events import Reject, Retry
from stream_events.consuming import Consumer, database, tries
from stream_events.consuming.position import FilePosition, KeyPosition, MemoryPosition
from stream_events.consuming.tail import Tail
from stream_events.exceptions import ConfigurationError
from stream_events.registration import make_handler
from tests.conftest import wait_for

KEY = "t:orders"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(tries, "FIRST_PAUSE", 0.01)


class Handled(list):
    """A handler that keeps the objects of its events; ``hook`` is called with each event."""

    def __init__(self, hook=lambda event: None):
        super().__init__()
        self.hook = hook

    def __call__(self, event):
        self.append(event.obj_id)
        self.hook(event)


def publish(server, *numbers):
    return [server.xadd(KEY, {"payload": json.dumps({"obj_id": number})}).decode() for number in numbers]


def make_tail(*functions, **options):
    handlers = [make_handler(func, "orders", None, {"name": str(at)}) for at, func in enumerate(functions)]
    return Tail("orders", handlers, **options)


def tail(*functions, **options):
    """Run a tail to its end."""
    return make_tail(*functions, **{"max_seconds": 30, **options}).run()


class Run:
    """A tail that runs in a thread until the block ends."""

    def __init__(self, *functions, **options):
        self.tail = make_tail(*functions, **options)
        self._thread = threading.Thread(target=self.tail.run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self.tail

    def __exit__(self, *_):
        self.tail.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


def is_waiting(server):
    return server.info("clients")["blocked_clients"] == 1


def commands(server):
    return server.info("stats")["total_commands_processed"]


def test_every_event_is_handled_in_order_whatever_the_size_of_the_batches(server):
    publish(server, *range(10))
    handled = Handled()
    report = tail(handled, count=3, max_events=10)
    assert handled == list(range(10))
    assert str(report) == "started=10 failed=0 passed_over=0 unhandled=0"


def test_an_event_says_that_it_has_no_group(server):
    publish(server, 1)
    groups = []
    tail(lambda event: groups.append((event.stream, event.group)), max_events=1)
    assert groups == [("orders", "")]


@pytest.mark.parametrize(
    ("start", "expected"),
    [("0-0", [1, 2, 3]), ("0", [1, 2, 3]), ("earliest", [1, 2, 3]), ("latest", []), ("$", [])],
)
def test_begins_where_it_was_told_to(server, start, expected):
    publish(server, 1, 2, 3)
    handled = Handled()
    with Run(handled, start=start):
        wait_for(lambda: is_waiting(server))
        publish(server, 4)
        wait_for(lambda: handled == [*expected, 4])


def test_begins_after_an_id(server):
    ids = publish(server, 1, 2, 3)
    handled = Handled()
    tail(handled, start=ids[1], max_events=1)
    assert handled == [3]


def test_waits_for_an_id_that_is_still_to_come(server, caplog):
    publish(server, 1)
    ahead = f"{int(time.time() * 1000) + 1000}-0"
    handled = Handled()
    with Run(handled, start=ahead, block=0.05) as running:
        before = commands(server)
        wait_for(lambda: commands(server) > before + 8, "some reads of nothing")
        publish(server, 2)
        server.xadd(KEY, {"payload": '{"obj_id": 3}'}, id=ahead.replace("-0", "-1"))
        wait_for(lambda: handled == [3])
        assert running.after == ahead.replace("-0", "-1")
    assert "stream_recreated" not in caplog.text


def test_what_came_before_a_restart_from_the_latest_is_handled_after_it(server):
    publish(server, 1)
    handled, position = Handled(), KeyPosition("dashboard")
    tail(handled, start="latest", position=position, max_seconds=0.1)
    publish(server, 2)
    tail(handled, start="latest", position=position, max_events=1)
    assert handled == [2]


@pytest.mark.parametrize("start", ["", "newest", "-1", "1-", "1-1-1", "18446744073709551616", None])
def test_a_start_that_is_no_id_is_refused(start):
    with pytest.raises(ConfigurationError, match=r"start is .*, which is no entry id"):
        make_tail(print, start=start)


def test_database_connections_are_looked_after_around_a_batch_and_after_a_failure(server, monkeypatch):
    publish(server, 1, 2)
    handled = Handled(lambda event: 1 / (event.obj_id - 1) if event.delivery_count == 1 else None)
    monkeypatch.setattr(database, "look_after", lambda: handled.append("looked after"))
    tail(handled, max_events=2)
    assert handled == ["looked after", 1, "looked after", 1, 2, "looked after"]


@pytest.mark.parametrize("options", [{"count": 0}, {"block": 0}, {"attempts": 0}, {"max_events": 0}])
def test_numbers_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        make_tail(print, **options)


@pytest.mark.parametrize("kind", ["memory", "file", "key"])
def test_goes_on_where_its_position_says(server, tmp_path, kind):
    position = {
        "memory": MemoryPosition(),
        "file": FilePosition(tmp_path / "position"),
        "key": KeyPosition("dashboard"),
    }[kind]
    publish(server, *range(6))
    handled = Handled()
    tail(handled, position=position, max_events=4)
    tail(handled, position=position, max_events=2)
    assert handled == list(range(6))


def test_a_position_that_cannot_be_saved_is_said_at_the_start(server, tmp_path):
    with pytest.raises(ConfigurationError, match=r"The position cannot be saved: .*nowhere"):
        tail(print, position=FilePosition(tmp_path / "nowhere" / "position"))


def test_a_position_that_cannot_be_saved_for_a_while_keeps_nothing_up(server, tmp_path, caplog):
    folder = tmp_path / "folder"
    folder.mkdir()
    position = FilePosition(folder / "position")
    handled = Handled()
    with Run(handled, position=position) as running:
        wait_for((folder / "position").exists)
        folder.rename(tmp_path / "away")
        publish(server, 1)
        wait_for(lambda: "position_not_saved" in caplog.text)
        (tmp_path / "away").rename(folder)
        (last,) = publish(server, 2)
        wait_for(lambda: last in (folder / "position").read_text())
        assert running.after == last
    assert handled == [1, 2]


def test_a_failing_handler_is_tried_again_and_its_event_passed_over(server, caplog):
    first, _ = publish(server, "bad", "good")
    counts = []

    def fail(event):
        counts.append(event.delivery_count)
        if event.obj_id == "bad":
            raise ValueError("no")

    report = tail(fail, attempts=3, max_events=2)
    assert counts == [1, 2, 3, 1]
    assert (report.failed, report.passed_over) == (3, 1)
    assert f"event_passed_over stream=orders handler=0 entry_id={first} event_id=orders/{first}" in caplog.text
    assert "obj_id" not in caplog.text


def test_an_event_that_works_the_second_time_is_handled(server):
    publish(server, 1)
    handled = Handled(lambda event: 1 / (event.delivery_count - 1))
    report = tail(handled, max_events=1)
    assert handled == [1, 1]
    assert (report.failed, report.passed_over) == (1, 0)


def test_rejecting_passes_over_at_once(server):
    publish(server, 1)

    def reject(event):
        raise Reject("never")

    report = tail(reject, max_events=1)
    assert (report.failed, report.passed_over) == (1, 1)


def test_a_handler_says_when_it_wants_to_be_tried_again(server):
    publish(server, 1)

    def later(event):
        if event.delivery_count == 1:
            raise Retry(after=0.01)

    assert tail(later, attempts=2, max_events=1).passed_over == 0


def test_of_several_handlers_one_that_fails_does_not_have_the_others_called_again(server):
    publish(server, 1)
    before, after = Handled(), Handled()

    def fail(event):
        raise ValueError

    report = tail(before, fail, after, attempts=2, max_events=1)
    assert (before, after, report.passed_over) == ([1], [1], 1)


def test_stopping_ends_a_pause_and_the_event_comes_again(server, monkeypatch):
    monkeypatch.setattr(tries, "FIRST_PAUSE", 600)
    publish(server, 1)
    position = KeyPosition("dashboard")

    def fail(event):
        raise ValueError

    failing = Handled(fail)
    with Run(failing, position=position):
        wait_for(lambda: failing == [1])
    handled = Handled()
    tail(handled, position=position, max_events=1)
    assert handled == [1]


def test_entries_that_are_no_events_are_passed_over_and_named(server, caplog):
    bad = [server.xadd(KEY, fields).decode() for fields in ({"a": "b"}, {"payload": "secret["}, {"payload": "[]"})]
    publish(server, 1)
    handled = Handled()
    report = tail(handled, max_events=4)
    assert (handled, report.passed_over) == ([1], 3)
    assert all(entry_id in caplog.text for entry_id in bad)
    assert "secret" not in caplog.text


def test_events_that_no_handler_wants_are_counted(server):
    publish(server, 1)
    handler = make_handler(print, "orders", None, {"actions": ["create"]})
    assert Tail("orders", [handler], max_events=1).run().unhandled == 1


def test_deletes_what_was_handled_and_nothing_else(server):
    _, bad, undecodable = *publish(server, 1, 2), server.xadd(KEY, {"payload": "["}).decode()

    def fail(event):
        if event.obj_id == 2:
            raise ValueError

    tail(fail, attempts=2, delete=True, max_events=3)
    assert [entry_id.decode() for entry_id, _ in server.xrange(KEY)] == [bad, undecodable]


def test_async_handlers_run_on_one_event_loop(server):
    publish(server, 1, 2)
    loops = set()

    async def handle(event):
        loops.add(threading.get_ident())

    tail(handle, max_events=2)
    assert len(loops) == 1


def test_max_events_reads_no_more_than_it_handles(server):
    ids = publish(server, *range(10))
    running = make_tail(Handled(), max_events=4, count=3)
    running.run()
    assert running.after == ids[3]


def test_max_seconds_ends_a_read_that_waits(server):
    assert tail(print, max_seconds=0.2, block=600).started == 0


def test_an_idle_consumer_waits_at_the_server(server):
    with Run(print, block=600):
        wait_for(lambda: is_waiting(server))
        server.config_resetstat()
        threading.Event().wait(1)
        stats = server.info("commandstats")
    assert [name for name in stats if name.startswith("cmdstat_x")] == []


def test_a_stream_that_does_not_exist_yet_is_waited_for(server):
    handled = Handled()
    with Run(handled, block=600):
        wait_for(lambda: is_waiting(server))
        publish(server, 1)
        wait_for(lambda: handled == [1])


@pytest.mark.parametrize("lose", [lambda server: server.flushall(), lambda server: server.delete(KEY)])
def test_a_stream_that_was_lost_and_has_smaller_ids_is_read_from_its_first_entry(server, lose, caplog):
    publish(server, 1)
    handled = Handled()
    with Run(handled, block=0.05):
        wait_for(lambda: handled == [1])
        lose(server)
        for number in (2, 3):
            server.xadd(KEY, {"payload": json.dumps({"obj_id": number})}, id=f"{number}-0")
        wait_for(lambda: handled == [1, 2, 3])
        publish(server, 4)
        wait_for(lambda: handled == [1, 2, 3, 4])
    assert caplog.text.count("stream_recreated") == 1


def test_a_stream_that_was_lost_meanwhile_is_noticed_at_the_start(server):
    publish(server, 1)
    position, handled = MemoryPosition(), Handled()
    tail(handled, position=position, max_events=1)
    server.flushall()
    server.xadd(KEY, {"payload": '{"obj_id": 2}'}, id="2-0")
    tail(handled, position=position, max_events=1)
    assert handled == [1, 2]


def test_a_trimmed_stream_goes_on(server):
    publish(server, 1, 2)
    handled = Handled()
    with Run(handled, block=0.05):
        wait_for(lambda: handled == [1, 2])
        server.xtrim(KEY, maxlen=0)
        before = commands(server)
        wait_for(lambda: commands(server) > before + 8, "some reads of nothing")
        publish(server, 3)
        wait_for(lambda: handled == [1, 2, 3])


def test_a_key_that_holds_something_else_is_named(server):
    server.set(KEY, "a string")
    with pytest.raises(ConfigurationError, match="'t:orders' exists and is not a stream"):
        tail(print)


def test_a_database_that_is_away_passes_nothing_over(server, monkeypatch):
    publish(server, 1)
    is_there = iter([False, False, True])
    monkeypatch.setattr(database, "is_there", lambda: next(is_there))
    monkeypatch.setattr(database, "probe_intervals", lambda: iter([0.01] * 10))
    counts = []

    def query(event):
        counts.append(event.delivery_count)
        if len(counts) == 1:
            raise OperationalError("the server closed the connection")

    report = tail(query, attempts=1, max_events=1)
    assert (counts, report.failed, report.passed_over) == ([1, 1], 0, 0)


def test_groups_handle_each_event_once_and_a_regular_consumer_sees_all(server, registry):
    publish(server, *range(20))
    handled = {name: Handled() for name in ("billing", "shipping", "late", "dashboard")}
    for name, func in handled.items():
        registry.register(func, stream="orders", group=None if name == "dashboard" else name, name=name)

    def consume(group):
        Consumer("orders", group, drain=True).run()

    with Run(handled["dashboard"]):
        threads = [threading.Thread(target=consume, args=[name]) for name in ("billing", "billing", "shipping")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        publish(server, *range(20, 25))
        consume("billing")
        consume("late")
        wait_for(lambda: len(handled["dashboard"]) == 25)
    assert handled["dashboard"] == list(range(25))
    assert sorted(handled["billing"]) == list(range(25))
    assert handled["shipping"] == list(range(20))
    assert handled["late"] == list(range(25))
    assert {group["pending"] for group in server.xinfo_groups(KEY)} == {0}
