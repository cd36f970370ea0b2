"""``manage.py streams`` as a real process: at a terminal, told to stop, and going on."""

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess

import pytest

from stream_events.keys import group_keys
from tests.conftest import wait_for

KEYS = group_keys("orders", "billing")

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """A command at a terminal of its own."""

    def __init__(self, project, *command):
        self._main, side = pty.openpty()
        project.environment.update(TERM="xterm", COLUMNS="100", LINES="30")
        self.process = project.start(*command, stdin=side, stdout=side, stderr=side, start_new_session=True)
        os.close(side)
        self._raw = b""

    @property
    def text(self):
        return SEQUENCE.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def read_until(self, wanted):
        wait_for(lambda: self._read() or wanted in self.text, f"{wanted!r} on the screen, not {self.text}")

    def type(self, text):
        os.write(self._main, text.encode())

    def end(self):
        """How it ended."""
        wait_for(lambda: self._read() or self.process.poll() is not None, "the end of the command")
        self._read()
        os.close(self._main)
        return self.process.returncode

    def _read(self):
        try:
            while select.select([self._main], [], [], 0.02)[0]:
                self._raw += os.read(self._main, 65536)
        except OSError:
            pass  # its other end is closed


@pytest.fixture
def make_letters(project):
    """Makes dead letters of orders/billing; returns the project's Redis."""
    clients = []

    def make(count):
        redis = project.redis()
        clients.append(redis)
        redis.xgroup_create(KEYS.stream, "billing", "0", mkstream=True)
        fields = {"payload": "{}", "dead_reason": "failed", "dead_error": "ValueError: no", "dead_handler": "invoice"}
        for start in range(0, count, 5000):
            with redis.pipeline(transaction=False) as pipeline:
                for number in range(start, min(count, start + 5000)):
                    pipeline.xadd(KEYS.dead, {**fields, "dead_entry_id": f"{number + 1}-0", "number": number})
                pipeline.execute()
        return redis

    yield make
    for one in clients:
        one.close()


def requeued(redis):
    return [int(fields[b"number"]) for _, fields in redis.xrange(KEYS.requeue)]


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 130, 3)], ids=["yes", "no"])
def test_a_terminal_is_asked(project, make_letters, answer, code, left):
    redis = make_letters(3)
    screen = Screen(project, "streams", "requeue", "orders", "billing", "--all")
    screen.read_until("Do it? [y/N] ")
    screen.type(f"{answer}\n")
    assert screen.end() == code
    assert ("3 requeued." if left == 0 else "Nothing was changed.") in screen.text
    assert redis.xlen(KEYS.dead) == left


@pytest.mark.parametrize(("answer", "code", "left"), [("billing", 0, 0), ("yes", 130, 3)], ids=["name", "yes"])
def test_what_cannot_be_undone_wants_its_name_typed(project, make_letters, answer, code, left):
    redis = make_letters(3)
    screen = Screen(project, "streams", "discard", "orders", "billing", "--all")
    screen.read_until("Type “billing” to do it: ")
    screen.type(f"{answer}\n")
    assert screen.end() == code
    assert redis.xlen(KEYS.dead) == left


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_the_question_changes_nothing(project, make_letters, key):
    redis = make_letters(3)
    screen = Screen(project, "streams", "requeue", "orders", "billing", "--all")
    screen.read_until("Do it? [y/N] ")
    if key == "\x03":
        screen.process.send_signal(signal.SIGINT)  # the terminal is not the one that controls it
    else:
        screen.type(key)
    assert screen.end() == 130
    assert "Nothing was changed." in screen.text
    assert redis.xlen(KEYS.dead) == 3


@pytest.mark.slow
def test_ctrl_c_stops_after_the_slice_and_resume_does_the_rest_once(project, make_letters):
    redis = make_letters(5000)
    arguments = ["requeue", "orders", "billing", "--error", "ValueError", "--batch", "50", "--rate", "1000/s", "--yes"]
    process = project.start("streams", *arguments)
    wait_for(lambda: redis.xlen(KEYS.requeue) >= 200, "the first slices")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    done = redis.xlen(KEYS.requeue)
    assert 200 <= done < 5000
    assert f"{done:,} requeued." in output
    words = shlex.split(output.partition("Stopped as asked. Continue with:\n")[2])
    code, output = project.run("streams", *words[2:], "--yes")
    assert code == 0, output
    assert "5,000 requeued." in output
    assert requeued(redis) == list(range(5000))
    assert redis.xlen(KEYS.dead) == 0


@pytest.mark.slow
def test_fifty_thousand_are_requeued_once_although_two_commands_ended_in_the_middle(project, make_letters):
    redis = make_letters(50_000)
    everything = ["streams", "requeue", "orders", "billing", "--all", "--yes"]
    stopped = project.start(*everything, "--rate", "10000/s")
    wait_for(lambda: redis.xlen(KEYS.requeue) >= 5000, "the first slices")
    stopped.send_signal(signal.SIGINT)
    output, _ = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, output
    done = redis.xlen(KEYS.requeue)
    assert f"{done:,} requeued." in output
    words = shlex.split(output.partition("Stopped as asked. Continue with:\n")[2])
    killed = project.start("streams", *words[2:], "--yes", "--rate", "10000/s")
    wait_for(lambda: redis.xlen(KEYS.requeue) >= done + 5000, "more slices")
    killed.kill()
    killed.communicate(timeout=60)
    done = redis.xlen(KEYS.requeue)
    assert done < 50_000
    code, output = project.run(*everything)
    assert code == 0, output
    assert f"{50_000 - done:,} requeued." in output
    assert requeued(redis) == list(range(50_000))
    assert redis.xlen(KEYS.dead) == 0
    audited = sum(int(fields[b"done"]) for _, fields in redis.xrange("~audit"))
    assert 49_000 <= audited <= 50_000  # what was killed in a slice of a thousand left no line about it


@pytest.mark.slow
def test_a_server_that_goes_away_exits_69_and_says_how_to_go_on(project, make_letters):
    redis = make_letters(2000)
    process = project.start(
        "streams", "requeue", "orders", "billing", "--all", "--batch", "50", "--rate", "500", "--yes"
    )
    wait_for(lambda: redis.xlen(KEYS.requeue) >= 100, "the first slices")
    server = redis.info("server")["process_id"]
    os.kill(server, signal.SIGSTOP)
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        os.kill(server, signal.SIGCONT)
    assert process.returncode == 69, output
    assert "cannot be reached: " in output
    words = shlex.split(output.partition("Continue with:\n")[2])
    code, output = project.run("streams", *words[2:], "--yes")
    assert code == 0, output
    assert requeued(redis) == list(range(2000))


def test_progress_is_shown_at_a_terminal(project, make_letters):
    make_letters(1500)
    screen = Screen(project, "streams", "requeue", "orders", "billing", "--all", "--yes")
    assert screen.end() == 0
    assert "100%" in screen.text
    assert "1,500 requeued." in screen.text


def test_watch_appends_snapshots_where_nobody_sees_them_and_ends_well(project, make_letters):
    make_letters(1)
    process = project.start(
        "streams", "groups", "orders", "--watch", "0.1", "--format", "json", stderr=subprocess.PIPE
    )
    documents = [_document(process.stdout) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert [one["groups"][0]["group"] for one in documents] == ["billing", "billing"]


def test_watch_redraws_at_a_terminal(project, make_letters):
    make_letters(1)
    screen = Screen(project, "streams", "status", "--watch", "0.1")
    wait_for(lambda: screen._read() or screen._raw.count(b"\x1b[2J") >= 2, "the second look")
    screen.process.send_signal(signal.SIGINT)
    assert screen.end() == 0


def test_top_is_a_live_table_until_it_is_told_to_end(project, make_letters):
    redis = make_letters(1)
    screen = Screen(project, "streams", "top", "--every", "0.1")
    screen.read_until("HANDLED/MIN")
    redis.xgroup_create(KEYS.stream, "search", "0")
    screen.read_until("search")
    screen.process.send_signal(signal.SIGINT)
    assert screen.end() == 0


def test_tail_shows_what_comes_and_ends_well(project, make_letters):
    redis = make_letters(0)
    redis.xadd(KEYS.stream, {"payload": '{"obj_id": 1}'})
    process = project.start(
        "streams", "tail", "orders", "--every", "0.1", "--format", "ndjson", stderr=subprocess.PIPE
    )
    assert json.loads(process.stdout.readline())["object"] == "1"
    redis.xadd(KEYS.stream, {"payload": '{"obj_id": 2}'})
    assert json.loads(process.stdout.readline())["object"] == "2"
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=60)[1], process.returncode) == ("", 0)


def _document(file):
    """The next JSON document in ``file``, up to the brace that ends it."""
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(file.readline())
    return json.loads("".join(lines))


def test_top_appends_tables_where_nobody_sees_them(project, make_letters):
    make_letters(1)
    process = project.start("streams", "top", "--every", "0.1", stderr=subprocess.PIPE)
    titles = [line for line in (process.stdout.readline() for _ in range(9)) if line.startswith("STREAM")]
    process.send_signal(signal.SIGINT)
    assert len(titles) >= 2
    assert (process.communicate(timeout=60)[1], process.returncode) == ("", 0)
