"""Requeueing and discarding dead letters: picked ones, and all that match."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from stream_events.conf import get_settings
from stream_events.operations.dead_letters import dead_letters, requeue
from stream_events.operations.plans import Level, Limit, Progress, plan
from tests.conftest import ROOT, wait_for
from tests.consuming.test_outcomes import Calls, consume
from tests.operations.acting import (
    KEYS,
    REQUEUED,
    begin,
    bury,
    do,
    finish,
    finish_whatever_happens,
    let_live,
    order,
    publish,
    reasons,
)


def requeued(server):
    """The fields of what was requeued, in order."""
    return [fields for _, fields in server.xrange(REQUEUED.stream)]


def histories(server):
    return [json.loads(fields[b"requeued_history"]) for fields in requeued(server)]


class TestRequeue:
    def test_moves_the_letters_in_the_order_in_which_they_died(self, server):
        ids = bury(server, 250)
        progress = do("requeue", reversed(ids))
        assert progress.report() == "250 requeued"
        assert [fields[b"event_id"] for fields in requeued(server)] == [f"event-{n}".encode() for n in range(250)]
        assert server.xlen(KEYS.dead) == 0

    def test_says_who_did_it_when_and_after_which_error(self, server):
        (letter_id,) = bury(server, 1, error="Traceback\nValueError: näh")
        do("requeue", [letter_id])
        ((entry,),) = histories(server)
        assert (entry["by"], entry["error"]) == ("ana", "ValueError: näh")
        assert entry["at"].endswith("+00:00")

    def test_keeps_the_history_of_the_last_twenty_times(self, server):
        before = [{"at": "x", "by": str(number), "error": ""} for number in range(25)]
        do("requeue", bury(server, 1, requeued_history=json.dumps(before)))
        (history,) = histories(server)
        assert [one["by"] for one in history] == [*map(str, range(6, 25)), "ana"]

    @pytest.mark.parametrize(
        ("error", "line"), [("", ""), (" \n", ""), ("a\nb c \n\n", "b c"), (f"{'x' * 300_000}\ny", "y")], ids=range(4)
    )
    def test_the_history_has_the_last_line_of_an_error(self, server, error, line):
        do("requeue", bury(server, 1, error=error))
        assert histories(server)[0][0]["error"] == line

    def test_a_long_history_does_not_hold_up_the_server(self, server):
        do("requeue", bury(server, 1, requeued_history=json.dumps([{"at": "x"}] * 300_000)))
        assert len(histories(server)[0]) == 20

    @pytest.mark.parametrize("garbage", ["", "nonsense", '"text"', "[1e999]"])
    def test_begins_a_history_that_cannot_be_read_anew(self, server, garbage):
        do("requeue", bury(server, 1, requeued_history=garbage))
        assert len(histories(server)[0]) == 1

    def test_a_long_error_is_cut_between_characters(self, server):
        do("requeue", bury(server, 1, error="é" * 700))
        assert histories(server)[0][0]["error"] == "é" * 249

    @pytest.mark.django_db
    def test_stays_for_its_handler_though_that_was_gone_once(self, server, registry):
        calls = Calls(registry)
        calls.register("b")
        do("requeue", bury(server, 1))
        consume()
        (letter,) = dead_letters("orders", "billing")
        assert (letter.reason, letter.handler) == ("unhandled", "a")
        calls.register("a")
        do("requeue", [letter.id])
        consume()
        assert calls == [("a", 0, 1)]

    @pytest.mark.django_db
    def test_stays_for_its_handler_though_an_operator_buried_it_again(self, server, registry):
        calls = Calls(registry)
        calls.register("a")
        calls.register("b")
        do("requeue", bury(server, 1))
        server.xreadgroup("billing", "web-1", {REQUEUED.stream: ">"})
        do("dead", where={}, requeued=True)
        do("requeue", [letter.id for letter in dead_letters("orders", "billing")])
        consume()
        assert calls == [("a", 0, 1)]

    def test_what_is_gone_is_skipped(self, server):
        ids = bury(server, 2)
        found = plan(order("requeue", ids))
        server.xdel(KEYS.dead, ids[0])
        progress = finish(Progress(order=found.order))
        assert progress.report() == "1 requeued · 1 skipped"
        assert reasons(progress) == {ids[0]: "requeued or discarded already"}

    def test_the_plan_says_what_is_gone_and_that_nobody_runs(self, server):
        (letter_id,) = bury(server, 1)
        found = plan(order("requeue", [letter_id, "1-1"]))
        assert found.warnings == (
            "No consumer of orders/billing runs: nothing is handled until one does.",
            "1 of them is gone.",
        )
        let_live(server)
        assert plan(order("requeue", [letter_id])).warnings == ()

    def test_many_at_once_want_the_name_of_the_group(self, server):
        ids = bury(server, 1001)
        found = plan(order("requeue", where={}))
        assert (found.count, found.level, found.name) == (1001, Level.TYPE_NAME, "billing")
        assert plan(order("requeue", where={"since": ids[0]})).level is Level.TYPE_NAME
        server.xdel(KEYS.dead, ids[0])
        assert plan(order("requeue", where={})).level is Level.CONFIRM

    def test_a_filter_takes_what_matches_up_to_its_boundary(self, server):
        bury(server, 3, error="ValueError: x")
        bury(server, 120, error="KeyError: x")
        bury(server, 2, error="ValueError: y")
        progress = begin("requeue", where={"error": "ValueError"})
        bury(server, 1, error="ValueError: later")
        progress = finish(progress, limit=Limit(rows=50))
        assert (progress.done, progress.scanned, progress.total) == (5, 125, 126)
        assert [letter.reasons["error"] for letter in dead_letters("orders", "billing", size=200)][-1].endswith(
            "later"
        )

    def test_an_empty_filter_on_nothing_is_complete_at_once(self, server):
        assert do("requeue", where={}).report() == "0 requeued"
        assert plan(order("requeue", where={})).count == 0

    def test_heavy_letters_are_moved_a_few_at_a_time(self, server):
        letters = bury(server, 35, payload="x" * 100_000)
        server.config_resetstat()
        assert do("requeue", where={}).done == 35
        assert server.info("commandstats")["cmdstat_evalsha"]["calls"] == 4
        assert len(server.xrange(REQUEUED.stream)) == len(letters)

    def test_at_maxmemory_everything_stays(self, server):
        ids = bury(server, 1)
        progress = begin("requeue", ids)
        server.config_set("maxmemory", 1)
        try:
            assert reasons(finish(progress)) == {ids[0]: "Redis is out of memory (maxmemory)"}
        finally:
            server.config_set("maxmemory", 0)
        assert server.xlen(KEYS.dead) == 1

    def test_two_operators_at_once_move_each_letter_once(self, server):
        bury(server, 1000)
        progress, found = begin("requeue", where={}), []
        threads = [threading.Thread(target=lambda: found.append(finish(progress))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(one.done for one in found) == 1000
        assert len({fields[b"event_id"] for fields in requeued(server)}) == server.xlen(REQUEUED.stream) == 1000


@pytest.mark.django_db(databases=["default", "other"])
def test_the_history_survives_being_handled_again_and_failing_again(server, registry, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "BACKOFF": 0.01}
    calls = Calls(registry)
    calls.register("a", max_deliveries=1)
    calls.plan = {("a", 0): [ValueError("first"), ValueError("second")]}
    publish(1)
    consume()
    for _ in range(2):
        ((letter_id, _),) = server.xrange(KEYS.dead)
        do("requeue", [letter_id.decode()])
        history = histories(server)
        consume()
    assert [one["error"] for one in history[0]] == ["ValueError: first", "ValueError: second"]
    assert len(calls) == 3
    assert server.xlen(KEYS.dead) == 0


class TestDiscard:
    def test_deletes_letters(self, server):
        ids = bury(server, 3)
        progress = do("discard", [ids[0], "1-1"])
        assert progress.report() == "1 discarded · 1 skipped"
        assert server.xlen(KEYS.dead) == 2

    def test_all_that_match_want_the_name_of_the_group(self, server):
        ids = bury(server, 1)
        assert plan(order("discard", ids)).level is Level.CONFIRM
        found = plan(order("discard", where={"error": "ValueError"}))
        assert (found.level, found.count, found.permission) == (
            Level.TYPE_NAME,
            None,
            "stream_events.delete_deadletter",
        )
        assert f"--error ValueError --until {ids[0]}" in found.command


def test_an_older_caller_needs_not_say_who_it_is(server):
    (letter_id,) = bury(server, 1)
    assert requeue("orders", "billing", [letter_id]) == [letter_id]
    assert histories(server)[0][0]["by"] == ""


class TestFaults:
    def test_a_slice_whose_reply_was_lost_moves_each_letter_once(self, server, proxy):
        bury(server, 300)
        progress = begin("requeue", where={})
        proxy.drop("EVALSHA", 2)
        progress = finish_whatever_happens(progress)
        assert proxy.dropped == ["EVALSHA"]
        assert [fields[b"event_id"] for fields in requeued(server)] == [f"event-{n}".encode() for n in range(300)]
        assert server.xlen(KEYS.dead) == 0

    @pytest.mark.slow
    def test_a_killed_requeue_goes_on_in_another_process(self, server, tmp_path):
        bury(server, 5000)
        url = get_settings().url
        place = tmp_path / "progress.json"
        code = (
            "from pathlib import Path; import django; from django.conf import settings\n"
            f"options = {{'URL': {url!r}, 'KEY_PREFIX': 't:'}}\n"
            "settings.configure(INSTALLED_APPS=['stream_events'], STREAM_EVENTS=options)\n"
            "django.setup()\n"
            "from stream_events.operations.plans import *\n"
            f"place = Path({str(place)!r})\n"
            "progress = Progress.load(place.read_text())\n"
            "while not progress.is_complete:\n"
            "    progress = perform(progress, Actor(name='ana', via='command line'), Limit(rows=200))\n"
            "    whole = place.with_suffix('.new'); whole.write_text(progress.dump()); whole.replace(place)\n"
            "print(progress.done)\n"
        )
        place.write_text(begin("requeue", where={}).dump())
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code]
        killed = 0
        while server.xlen(KEYS.dead):
            before = server.xlen(KEYS.dead)
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
                wait_for(lambda n=before: server.xlen(KEYS.dead) < n - 900 or server.xlen(KEYS.dead) == 0)
                process.send_signal(signal.SIGKILL)
            killed += process.returncode == -signal.SIGKILL
        subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        assert killed >= 2
        assert Progress.load(place.read_text()).is_complete
        assert [fields[b"event_id"] for fields in requeued(server)] == [f"event-{n}".encode() for n in range(5000)]
