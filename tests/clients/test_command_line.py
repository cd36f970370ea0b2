"""``python -m stream_events`` as real processes, outside of any Django project."""

import json
import os
import signal
import subprocess
import sys

import pytest
from django.conf import settings

from stream_events.clients.command_line import main
from tests.conftest import ROOT, wait_for
from tests.faults.servers import free_port

URL = settings.STREAM_EVENTS["URL"]
GROUP = ("mystream", "mygroup", "myconsumer")
OUTSIDE = {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "REDIS_URL")}


@pytest.fixture
def start(server):
    """Starts commands that end with the test."""
    processes = []

    def start(*options, stdout=subprocess.PIPE, **environment):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "stream_events", *GROUP, *options],
            cwd=ROOT,
            env={**OUTSIDE, "REDIS_URL": URL, **environment},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """Runs a command to its end: its exit code, its lines, and what it says of errors."""

    def run(*options, **environment):
        process = start(*options, **environment)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output.splitlines(), errors

    return run


def publish(server, *numbers):
    return [server.xadd("mystream", {"number": number}).decode() for number in numbers]


def number(line):
    return json.loads(line)["fields"]["number"]


def pending(server):
    return {
        one["message_id"].decode(): one["consumer"].decode()
        for one in server.xpending_range("mystream", "mygroup", "-", "+", 99)
    }


def test_prints_an_object_a_line_and_acknowledges(run, server):
    (entry_id,) = publish(server, 1)
    server.xadd("mystream", {"payload": '{"obj_id": 7}', "name": "Zoë\n"})
    code, lines, errors = run("--count", "2")
    assert (code, errors) == (0, "")
    first, second = map(json.loads, lines)
    assert first == {"id": entry_id, "fields": {"number": "1"}}
    assert second["fields"] == {"payload": {"obj_id": 7}, "name": "Zoë\n"}
    assert pending(server) == {}


@pytest.mark.parametrize("payload", ["no JSON", "[1]", '{"a": NaN}', "[" * 100_000], ids=lambda text: text[:9])
def test_a_payload_that_is_no_json_object_is_text(run, server, payload):
    server.xadd("mystream", {"payload": payload})
    code, (line,), _ = run("--count", "1")
    assert (code, json.loads(line)["fields"]) == (0, {"payload": payload})


def test_prints_for_people_on_one_line_whatever_the_terminal_can_show(run, server):
    entry_id = server.xadd("mystream", {"name": "Zoë", "text": "two words\n\x1b[2J", "empty": ""}).decode()
    _, lines, errors = run("--format", "plain", "--count", "1", PYTHONIOENCODING="ascii")
    assert lines == [f"{entry_id} name=Zo\\xeb text='two words\\n\\x1b[2J' empty=''"], errors


def test_without_acknowledging_the_entries_come_again(run, server):
    ids = publish(server, 1, 2)
    for _ in range(2):
        code, lines, _ = run("--no-ack", "--count", "2")
        assert (code, list(map(number, lines))) == (0, ["1", "2"])
    assert pending(server) == dict.fromkeys(ids, "myconsumer")


def test_takes_no_more_than_it_prints(run, server):
    publish(server, 1, 2, 3)
    run("--count", "1")
    assert server.xinfo_groups("mystream")[0]["entries-read"] == 1


def test_prints_each_entry_when_it_comes(start, server):
    process = start()
    for one in ("1", "2"):
        publish(server, one)
        assert number(process.stdout.readline()) == one
    wait_for(lambda: pending(server) == {}, "the acknowledgements")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_ends_cleanly_when_it_is_told_to(start, server, stop):
    publish(server, 1)
    process = start()
    process.stdout.readline()
    wait_for(lambda: server.info("clients")["blocked_clients"] == 1, "the read")
    process.send_signal(stop)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    assert pending(server) == {}


def test_ends_when_nobody_reads_any_more_and_loses_nothing(start, server):
    publish(server, 1)
    process = start()
    process.stdout.readline()
    process.stdout.close()
    (unseen,) = publish(server, 2)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    process.stdout = None
    assert pending(server) == {unseen: "~retry"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_entry_that_cannot_be_written_is_not_lost(start, server):
    (unseen,) = publish(server, 1)
    with open("/dev/full", "w") as full:
        process = start(stdout=full)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert "No space left" in errors
    assert pending(server) == {unseen: "~retry"}


def test_what_was_in_its_hands_when_it_was_killed_comes_first(start, server):
    publish(server, 1, 2)
    process = start("--no-ack")
    assert [number(process.stdout.readline()) for _ in range(2)] == ["1", "2"]
    process.kill()
    process.wait()
    publish(server, 3)
    again = start()
    assert [number(again.stdout.readline()) for _ in range(3)] == ["1", "2", "3"]


def test_survives_a_restart_of_redis(start, real):
    process = start("--server", "127.0.0.1", "--port", str(real.port))
    publish(real.client, 1)
    assert number(process.stdout.readline()) == "1"
    wait_for(lambda: pending(real.client) == {}, "the acknowledgement")
    real.kill()
    assert "redis_unavailable" in process.stderr.readline()
    real.start()
    publish(real.client, 2)
    assert number(process.stdout.readline()) == "2"


def test_a_server_that_is_away_is_one_line_that_names_it(run):
    port = free_port()
    for options in (("--server", "127.0.0.1", "--port", str(port)), ("--url", f"redis://:secret@127.0.0.1:{port}/0")):
        code, lines, errors = run(*options)
        assert (code, lines, errors.count("\n")) == (69, [], 1)
        assert f"127.0.0.1:{port}" in errors
        assert "secret" not in errors


def test_an_embedded_server_that_cannot_be_is_one_line_that_says_so(run, tmp_path):
    (tmp_path / "file").touch()
    code, lines, errors = run(REDIS_URL=f"embedded://{tmp_path}/file/folder")
    assert (code, lines) == (78, [])
    assert errors.count("\n") == 1, errors


def test_a_key_that_is_no_stream_is_one_line_that_says_so(run, server):
    server.set("mystream", "x")
    code, _, errors = run()
    assert (code, errors.count("\n")) == (78, 1)
    assert "is not a stream" in errors


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["orders", "a b", "one"],
        ["orders", "billing", "a b"],
        ["orders", "billing", "one", "--port", "0"],
        ["orders", "billing", "one", "--count", "0"],
        ["orders", "billing", "one", "--format", "xml"],
        ["orders", "billing", "one", "--url", "redis://:secret@host?db=x"],
        ["orders", "billing", "one", "--url", "redis://host", "--port", "6379"],
    ],
    ids=" ".join,
)
def test_bad_arguments_are_errors_of_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "secret" not in capsys.readouterr().err
