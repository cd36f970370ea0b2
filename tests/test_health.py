"""The health file and its probe, and the commands that touch it."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from stream_events.clients import EventsConsumer
from stream_events.consuming import Consumer
from stream_events.health import beating, health_file, main, problem
from tests.conftest import wait_for
from tests.management.test_runconsumer import Output, change_settings, place_orders, slow_project, write_handlers


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "health")


@pytest.fixture
def start(project, path, tmp_path):
    """Starts a command with a health file, and waits until it is well."""

    def start(*command):
        output = tmp_path / "output"
        with output.open("w") as file:
            process = project.start(*command, "--health-file", path, stdout=file)
        wait_for(lambda: not problem(path), "good health")
        return Output(process, output)

    return start


def age(path, seconds):
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_a_process_that_is_alive_touches_its_file_and_removes_it_at_the_end(path):
    with beating(path, lambda: True):
        wait_for(lambda: not problem(path))
        age(path, 100)
        wait_for(lambda: not problem(path), "the next touch")
        os.remove(path)
        wait_for(lambda: not problem(path), "the file made again")
    assert "is missing" in problem(path)


def test_what_a_killed_process_has_left_says_nothing_of_the_next(path):
    open(path, "w").close()
    with beating(path, lambda: False):
        assert "is missing" in problem(path)


def test_a_file_that_cannot_be_written_ends_nothing_and_is_logged_once(tmp_path, caplog):
    asked = []
    with beating(str(tmp_path / "gone" / "health"), lambda: asked.append(1) or True):
        wait_for(lambda: len(asked) > 1, "two attempts")
    assert caplog.text.count("health_file_not_written") == 1


def test_without_a_path_nobody_is_asked():
    with beating(None, pytest.fail):
        pass


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(100, "70.0 s more than it may be"), (-100, "the clock was set back")],
    ids=["old", "future"],
)
def test_the_probe_says_in_one_line_what_is_wrong(path, capsys, seconds, text):
    open(path, "w").close()
    age(path, seconds)
    assert main([path, "--max-age", "30"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert text in line


def test_the_probe_imports_neither_django_nor_redis(path):
    open(path, "w").close()
    code = "import sys, stream_events.health as health\nhealth.main(sys.argv[1:])\n"
    code += "print([name for name in ('django', 'redis') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == f"healthy: {path} was touched within 30 s\n[]\n"


def test_the_probe_is_a_command(path):
    command = [sys.executable, "-m", "stream_events.health", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert done.stdout.startswith(f"unhealthy: {path} is missing")
    assert done.stderr == ""


def test_a_file_that_holds_something_is_not_taken_for_a_health_file(tmp_path):
    (tmp_path / "settings.py").write_text("DEBUG = True")
    for path in (tmp_path / "settings.py", tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(Exception, match=r"is in no folder that|is something else than"):
            health_file(str(path))


@pytest.fixture(params=["group", "no group"])
def consumers(request, registry, server):
    """Runs consumers of a function in threads, until the test ends."""
    running = []

    def start(function):
        if request.param == "group":
            registry.register(function, stream="orders", group="billing")
            consumer = Consumer("orders", "billing", block=60)
        else:
            consumer = EventsConsumer("orders", function, block=60)
        running.append((consumer, threading.Thread(target=consumer.run)))
        running[-1][1].start()
        return consumer

    yield start
    for consumer, thread in running:
        consumer.stop()
        thread.join(30)


def test_a_consumer_that_waits_for_entries_is_alive_until_the_wait_should_be_over(consumers, server):
    consumer = consumers(print)
    wait_for(lambda: server.info("clients")["blocked_clients"], "the read")
    assert consumer.is_alive()
    reader = getattr(consumer, "_reader", None) or consumer._tail

    def looks_hung():
        reader.seen -= 100
        return not consumer.is_alive()

    wait_for(looks_hung)


def test_a_consumer_is_alive_while_its_handler_runs(consumers, server):
    handling, going = threading.Event(), threading.Event()
    server.xadd("t:orders", {"payload": "{}"})
    consumer = consumers(lambda event: handling.set() or going.wait())
    try:
        assert handling.wait(30)
        reader = getattr(consumer, "_reader", None) or consumer._tail
        reader.seen -= 100
        assert consumer.is_alive()
    finally:
        going.set()


def test_without_a_group_it_counts_as_hung_when_a_handler_exceeds_its_time(server, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "HANDLER_TIMEOUT": 0.1}
    going = threading.Event()
    server.xadd("t:orders", {"payload": "{}"})
    try:
        with EventsConsumer("orders", lambda event: going.wait()) as consumer:
            wait_for(lambda: not consumer.is_alive())
            going.set()
            wait_for(consumer.is_alive)
    finally:
        going.set()


@pytest.mark.slow
def test_a_stopped_process_becomes_unhealthy_and_a_continued_one_well_again(start, path):
    output = start("runconsumer", "orders", "billing", "--no-reload")
    output.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: "the process hangs" in problem(path, 3), "bad health")
    output.process.send_signal(signal.SIGCONT)
    wait_for(lambda: not problem(path, 3), "good health")
    output.process.send_signal(signal.SIGTERM)
    assert output.process.wait(30) == 0
    assert "is missing" in problem(path)


@pytest.mark.slow
def test_a_killed_process_becomes_unhealthy(start, path):
    output = start("runconsumer", "orders", "billing", "--no-reload")
    output.process.kill()
    wait_for(lambda: "was killed" in problem(path, 3), "bad health")


def test_a_consumer_that_waits_for_redis_is_well(project, start, path):
    project.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    output = start("runconsumer", "orders", "billing", "--no-reload")
    output.wait_for("redis_unavailable")
    age(path, 100)
    wait_for(lambda: not problem(path), "good health")


def test_a_consumer_whose_handler_runs_is_well(project, start, path, tmp_path):
    slow_project(project, tmp_path)
    place_orders(project, 1)
    output = start("runconsumer", "orders", "billing", "--no-reload")
    output.wait_for("handling")
    age(path, 100)
    wait_for(lambda: not problem(path), "good health")


def test_a_relay_touches_its_file_while_it_relays(start, path):
    output = start("runrelay")
    age(path, 100)
    wait_for(lambda: not problem(path), "good health")
    output.process.send_signal(signal.SIGTERM)
    assert output.process.wait(30) == 0
    assert "is missing" in problem(path)


def test_a_regular_consumer_touches_its_file(project, start, path, tmp_path):
    write_handlers(
        tmp_path, "board_app", "from stream_events import handler\nhandler('orders', group=None)(lambda event: None)\n"
    )
    change_settings(project, tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'board_app']")
    output = start("runconsumer", "orders", "--no-group", "--no-reload")
    output.process.send_signal(signal.SIGTERM)
    assert output.process.wait(30) == 0


def test_workers_share_one_file(start, path, tmp_path):
    output = start("runconsumer", "orders", "billing", "--no-reload", "--workers", "2")
    assert not problem(f"{path}.1")
    assert not problem(f"{path}.2")
    output.process.send_signal(signal.SIGTERM)
    assert output.process.wait(30) == 0
    assert not list(tmp_path.glob("health*"))
