"""The command, as real processes of the demo project."""

import signal

import pytest

from tests.conftest import wait_for
from tests.faults.servers import Server

WRITE = """
from stream_events.publishing.entries import make_entry
from stream_events.publishing.outbox import write_outbox
events = [{{"obj_id": number, "obj_type": "shop.order"}} for number in {numbers}]
write_outbox([make_entry("{stream}", event) for event in events], "default")
"""
LEFT = "from stream_events.models import OutboxEvent; print(OutboxEvent.objects.count())"
DROP = "from django.db import connection; connection.cursor().execute('DROP TABLE stream_events_outboxevent')"


def write(project, numbers, stream="orders"):
    project.shell(WRITE.format(stream=stream, numbers=numbers))


def left(project):
    return int(project.shell(LEFT))


def keys(client, stream="orders"):
    """The keys of the objects in a stream, in order; without those that came again with the same event id."""
    entries = [fields for _, fields in client.xrange(stream)]
    events = {fields[b"event_id"]: int(fields[b"payload"].split(b'"obj_id":')[1].split(b",")[0]) for fields in entries}
    return list(events.values())


class Relay:
    """The command without an end, and what it prints."""

    def __init__(self, project, path, *options):
        self._path = path
        with path.open("w") as file:
            self.process = project.start("runrelay", *options, stdout=file)

    def output(self):
        return self._path.read_text()

    def wait_for(self, text):
        wait_for(lambda: text in self.output(), f"{text!r} in the output")


@pytest.fixture
def relay(project, tmp_path):
    def start(*options):
        relay = Relay(project, tmp_path / f"relay{len(project.processes)}", *options)
        relay.wait_for("Quit with CONTROL-C")
        return relay

    return start


@pytest.fixture
def real(project, tmp_path):
    """The project's Redis is a server that can be killed."""
    server = Server("valkey-9", tmp_path / "server").start()
    project.environment["REDIS_URL"] = server.url
    yield server
    server.close()


class TestOnce:
    def test_sends_what_is_there(self, project):
        write(project, "range(3)")
        assert project.run("runrelay", "--once") == (0, "Sent 3 events.\n")
        assert keys(project.redis()) == [0, 1, 2]
        assert project.run("runrelay", "--once") == (0, "Sent 0 events.\n")

    def test_says_that_some_are_left(self, project):
        write(project, "range(600)")
        write(project, "[1]", stream="invoices")
        project.redis().set("orders", "no stream")
        code, output = project.run("runrelay", "--once")
        assert code == 3
        assert "Sent 1 events." in output
        assert "Still in the outbox: 600 events." in output
        assert left(project) == 600

    def test_says_that_redis_is_away_without_its_password(self, project):
        write(project, "[1]")
        project.environment["REDIS_URL"] = "redis://:secret@127.0.0.1:1/0"
        code, output = project.run("runrelay", "--once")
        assert code == 69
        assert "Redis at redis://127.0.0.1:1/0 cannot be reached" in output
        assert "secret" not in output
        assert left(project) == 1

    def test_a_missing_table_is_a_question_of_configuration(self, project):
        project.shell(DROP)
        code, output = project.run("runrelay", "--once")
        assert code == 78
        assert "There is no outbox in default: run manage.py migrate stream_events --database default." in output
        assert "Traceback" not in output


def test_a_missing_table_ends_it_at_its_start(project):
    project.shell(DROP)
    assert project.run("runrelay")[0] == 78


def test_sends_what_comes_and_ends_well_when_it_is_told_to(project, relay):
    running = relay()
    write(project, "range(3)")
    wait_for(lambda: keys(project.redis()) == [0, 1, 2], "the events")
    running.process.terminate()
    assert running.process.wait(20) == 0
    assert "Sent 3 events." in running.output()
    assert left(project) == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_while_redis_is_away(project, relay, real, number):
    running = relay()
    real.kill()
    write(project, "[1]")
    running.wait_for("relay_failed")
    running.process.send_signal(number)
    assert running.process.wait(20) == 0
    assert left(project) == 1


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(project, relay, real):
    write(project, "[1]")
    real.pause()
    running = relay()  # and Redis does not answer it
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 130
    real.go_on()
    assert left(project) == 1


@pytest.mark.slow
def test_a_restart_of_redis_is_waited_for_visibly(project, relay, real):
    running = relay()
    write(project, "[1]")
    wait_for(lambda: keys(real.client) == [1], "the first event")
    real.kill()
    write(project, "[2]")
    running.wait_for("relay_failed database=default")
    real.start()
    wait_for(lambda: keys(real.client) == [1, 2], "the second event")
    running.wait_for("relay_goes_on")


@pytest.mark.slow
def test_what_a_killed_one_leaves_another_sends(project, relay, real):
    write(project, "range(5000)")
    for _ in range(3):
        running = relay()
        before = len(keys(real.client))
        wait_for(lambda before=before: len(keys(real.client)) > before, "some events")
        running.process.kill()
        running.process.wait()
        if not left(project):
            break
    relay()
    wait_for(lambda: not left(project), "an empty outbox")
    assert keys(real.client) == list(range(5000))


@pytest.mark.slow
def test_two_at_once_send_everything_once_and_in_order(project, relay, real):
    relays = [relay(), relay()]
    write(project, "range(3000)")
    wait_for(lambda: len(keys(real.client)) == 3000, "the events")
    for one in relays:
        one.process.terminate()
        assert one.process.wait(20) == 0
    assert keys(real.client) == list(range(3000))
    assert real.client.xlen("orders") == 3000
