"""The thread that does what is to be done after a failure, and ends."""

import os
import subprocess
import sys
import threading

import pytest
from django.db import DatabaseError, connections

from stream_events.publishing.recovery import Recovery
from tests.conftest import ROOT, wait_for


@pytest.fixture
def recovery():
    recovery = Recovery()
    yield recovery
    wait_for(lambda: not is_running(recovery), "the end of the thread")


def is_running(recovery):
    return recovery._process == os.getpid()


def test_the_thread_ends_when_its_jobs_are_done_and_starts_again_when_it_is_wanted(recovery):
    runs = []
    recovery.add(lambda: not runs.append(threading.current_thread()))
    for count in (1, 2):
        recovery.start()
        wait_for(lambda: not is_running(recovery), "the end of the thread")
        runs[-1].join(10)
        assert (len(runs), runs[-1].is_alive()) == (count, False)


def test_there_is_one_thread_however_often_it_is_wanted(recovery):
    threads = set()
    go_on = threading.Event()
    recovery.add(lambda: threads.add(threading.current_thread()) or go_on.is_set())
    for _ in range(100):
        recovery.start()
    wait_for(lambda: threads, "a first round")
    recovery.start()
    go_on.set()
    wait_for(lambda: not is_running(recovery), "the end of the thread")
    assert len(threads) == 1


def test_what_is_not_done_keeps_the_rest_waiting_and_is_tried_again(recovery):
    calls = []
    recovery.add(lambda: calls.append("first") or calls.count("first") > 1)
    recovery.add(lambda: not calls.append("second"))
    recovery.start()
    wait_for(lambda: not is_running(recovery), "the end of the thread")
    assert calls == ["first", "first", "second"]


def test_what_fails_is_said_and_tried_again(recovery, caplog):
    calls = []

    def fail_once():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("no luck")
        return True

    recovery.add(fail_once)
    recovery.start()
    wait_for(lambda: not is_running(recovery), "the end of the thread")
    assert len(calls) == 2
    assert "recovery_failed error='ValueError: no luck'" in caplog.text


def test_a_connection_that_cannot_be_closed_is_said_and_ends_nothing(recovery, caplog):
    calls = []

    def fail():
        raise DatabaseError("it is gone")

    def use_the_database():
        calls.append(connections["default"])
        if len(calls) == 1:
            calls[0].close = fail
        else:
            del calls[0].close
        return True

    recovery.add(use_the_database)
    recovery.start()
    wait_for(lambda: not is_running(recovery), "the end of the thread")
    assert len(calls) == 2
    assert "recovery_failed error='DatabaseError: it is gone'" in caplog.text


def test_what_is_wanted_during_a_round_gets_another_one(recovery):
    calls = []

    def want_once_more():
        calls.append(1)
        if len(calls) == 1:
            recovery.start()
        return True

    recovery.add(want_once_more)
    recovery.start()
    wait_for(lambda: not is_running(recovery), "the end of the thread")
    assert len(calls) == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_thread_of_its_own(recovery):
    ran, go_on = threading.Event(), threading.Event()
    recovery.add(lambda: ran.set() or go_on.is_set())
    recovery.start()
    wait_for(ran.is_set, "the parent's thread")
    child = os.fork()
    if not child:
        code = 1
        try:
            ran.clear()
            recovery.start()
            code = 0 if ran.wait(10) else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()


def test_where_no_thread_can_be_started_nothing_breaks_and_the_next_call_tries_again(recovery, caplog):
    recovery.add(lambda: True)
    usual = threading.stack_size(1 << 46)  # no machine has that much
    try:
        recovery.start()
    finally:
        threading.stack_size(usual)
    assert "recovery_not_started" in caplog.text
    assert not is_running(recovery)
    recovery.start()
    assert is_running(recovery)


AT_EXIT = """
import atexit, os
import django
from django.conf import settings
settings.configure(STREAM_EVENTS={"URL": "redis://127.0.0.1:1/0"}, INSTALLED_APPS=["stream_events"])
django.setup()
from stream_events import StreamPublisher
publisher = StreamPublisher("orders")
atexit.register(lambda: print(publisher.add({"obj_id": 7}, raise_error=False)))
"""


def test_a_process_that_publishes_while_it_ends_is_not_broken_by_it():
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "(None, 7)\n"), done.stderr
