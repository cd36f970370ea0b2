"""Processes that are started again when they crash."""

import sys
import threading

import pytest

from stream_events.consuming import supervisor
from stream_events.consuming.supervisor import Supervisor
from tests.conftest import wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(supervisor, "BACKOFF", (0.1, 0.2))


def python(code):
    return [sys.executable, "-c", code]


def start(*commands):
    one = Supervisor(commands)
    codes = []
    thread = threading.Thread(target=lambda: codes.append(one.run()))
    thread.start()

    def end():
        thread.join(20)
        assert codes, "the supervisor does not end"
        return codes[0]

    return one, end


def test_it_ends_when_all_have_ended():
    assert start(python("pass"), python("pass"))[1]() == 0


def test_what_crashes_is_started_again(tmp_path, caplog):
    code = (
        f"import pathlib; p = pathlib.Path({str(tmp_path / 'runs')!r}); n = len(p.read_text()) if p.exists() else 0;"
    )
    code += "p.write_text('x' * (n + 1)); raise SystemExit(9 if n < 3 else 0)"
    assert start(python(code))[1]() == 0
    assert (tmp_path / "runs").read_text() == "xxxx"
    assert caplog.text.count("exit_code=9: started again") == 3


@pytest.mark.parametrize("code", [2, 69, 78])
def test_one_that_cannot_run_ends_the_others(code):
    sleeper = "import time; time.sleep(60)"
    assert start(python(sleeper), python(f"raise SystemExit({code})"))[1]() == code


def test_one_that_leaves_something_is_no_reason_to_end_the_others(tmp_path):
    ready = tmp_path / "ready"
    late = f"import time, pathlib; time.sleep(0.5); pathlib.Path({str(ready)!r}).touch()"
    assert start(python(late), python("raise SystemExit(3)"))[1]() == 3
    assert ready.exists()


def test_stopping_is_passed_on(tmp_path):
    ready = tmp_path / "ready"
    code = "import signal, sys, time, pathlib; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    code += f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    one, end = start(python(code))
    wait_for(ready.exists, "the worker")
    one.stop()
    assert end() == 0


def test_one_that_is_stopped_before_it_can_listen_is_no_failure():
    one, end = start(python("import time; time.sleep(60)"))
    wait_for(lambda: one._workers[0]._process, "the worker")
    one.stop()
    assert end() == 0


def test_one_that_waits_after_a_crash_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(supervisor, "BACKOFF", (60.0,))
    one, end = start(python("raise SystemExit(9)"))
    wait_for(lambda: one._workers[0].code == 9, "the crash")
    one.stop()
    assert end() == 0
