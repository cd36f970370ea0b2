"""Services of other programs: in a group or without one, in a thread, and as a process of their own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from django.conf import settings

from stream_events.clients import RedisService
from stream_events.exceptions import ConfigurationError, HandlerTimeoutError
from stream_events.health import problem
from tests.conftest import ROOT, wait_for

URL = settings.STREAM_EVENTS["URL"]


def publish(server, *numbers, stream="t:orders"):
    for number in numbers:
        server.xadd(stream, {"payload": json.dumps({"obj_id": number})})


class Collected(list):
    def __call__(self, event):
        self.append(event.obj_id)


@pytest.fixture
def collected():
    return Collected()


def pending(server, stream="t:orders", group="billing"):
    return server.xpending(stream, group)["pending"]


@pytest.mark.parametrize("group", ["billing", None])
def test_a_service_handles_events_in_a_thread_for_as_long_as_its_block_lasts(server, collected, group):
    publish(server, 1, 2)
    with RedisService(collected, "orders", group) as service:
        wait_for(lambda: collected == [1, 2])
        assert service.is_alive()
    assert not service.is_alive()
    publish(server, 3)
    assert collected == [1, 2]
    if group:
        assert pending(server) == 0


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("group", ["billing", None])
def test_run_returns_when_another_thread_stops_it(server, collected, group):
    service = RedisService(collected, "orders", group)
    publish(server, 1)
    threading.Thread(target=lambda: wait_for(lambda: collected == [1]) and service.stop()).start()
    service.run()
    assert service.stop()


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("group", ["billing", None])
def test_a_handler_may_be_async_and_stop_its_own_service(server, group):
    handled = []

    async def handle(event):
        await asyncio.sleep(0)
        handled.append(event.obj_id)
        service.stop()

    publish(server, 1)
    service = RedisService(handle, "orders", group)
    service.run()
    assert handled == [1]


def test_a_failing_handler_makes_dead_letters_in_a_group(server):
    publish(server, 1)
    with RedisService(lambda event: 1 / 0, "orders", "billing", max_deliveries=1):
        wait_for(lambda: server.xlen("{t:orders}:billing:dead") == 1, "the dead letter")
    assert pending(server) == 0
    assert server.xrange("{t:orders}:billing:dead")[0][1][b"dead_error"] == b"ZeroDivisionError: division by zero"


@pytest.mark.django_db(databases=["default", "other"])
def test_options_are_those_of_consumers_and_of_handlers(server, collected):
    publish(server, 1)
    server.xadd("t:orders", {"payload": '{"obj_id": 2, "action": "create"}'})
    RedisService(collected, "orders", "billing", threads=2, drain=True, actions=["create"]).run()
    assert collected == [2]


@pytest.mark.parametrize("group", ["billing", None])
def test_what_has_ended_the_thread_is_raised_by_stop(server, collected, group, caplog):
    server.set("t:orders", "no stream")
    service = RedisService(collected, "orders", group)
    service.start_in_thread().join(30)
    with pytest.raises(ConfigurationError, match="t:orders"):
        service.stop()
    assert "consumer_died stream=orders" in caplog.text


def test_a_handler_that_does_not_end_is_given_up_and_stop_says_so(server):
    going, given_up = threading.Event(), threading.Event()
    publish(server, 1)
    service = RedisService(lambda event: going.wait(), "orders", "billing", timeout=0.2)
    service.start_in_thread()
    service._running.future.add_done_callback(lambda _: given_up.set())
    try:
        assert given_up.wait(30)
        with pytest.raises(HandlerTimeoutError, match="has run for more than"):
            service.stop()
    finally:
        going.set()


def test_stop_does_not_wait_for_longer_than_it_is_told(server):
    going = threading.Event()
    publish(server, 1)
    service = RedisService(lambda event: going.wait(), "orders", "billing")
    service.start_in_thread()
    wait_for(lambda: server.exists("t:orders") and server.xinfo_groups("t:orders"), "the group")
    wait_for(lambda: pending(server), "the handler")
    try:
        assert not service.stop(0.1)
    finally:
        going.set()
    assert service.stop()


@pytest.mark.django_db(databases=["default", "other"])
def test_a_service_that_was_stopped_before_it_ran_ends_at_once(server, collected):
    publish(server, 1)
    service = RedisService(collected, "orders", "billing")
    assert service.stop()
    service.run()
    assert collected == []


def test_a_service_runs_once(server, collected):
    with RedisService(collected, "orders") as service, pytest.raises(RuntimeError, match="make another one"):
        service.run()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ([print, "orders", "billing"], {"thread": 2}, TypeError, "Did you mean 'threads'"),
        ([print, "orders"], {"threads": 2}, TypeError, "without a group has no option 'threads'"),
        ([print, "orders", "billing"], {"start": "0"}, TypeError, "with a group has no option 'start'"),
        ([print, "orders", "billing"], {"threads": 0}, ConfigurationError, "threads must be"),
        ([print, "orders", "billing"], {"batch": 0}, ConfigurationError, "batch is 0"),
        ([print, "orders"], {"once": True}, ConfigurationError, "in a group only"),
        ([print, "or ders{"], {}, ConfigurationError, "braces"),
        ([print, "orders", "a:b"], {}, ConfigurationError, "a group name has no colon"),
        ([print, "orders", "billing", "http://x"], {}, ConfigurationError, "redis://host:6379/0"),
        ([lambda: None, "orders", "billing"], {}, ConfigurationError, "cannot be called with one event"),
        ([7, "orders", "billing"], {}, ConfigurationError, "cannot be called"),
        (["handlers.handle"], {}, ConfigurationError, "is not MODULE:FUNCTION"),
        (["no_such_module:handle"], {}, ConfigurationError, "does not import: ModuleNotFoundError"),
        (["json:no_such_function"], {}, ConfigurationError, "does not import: AttributeError"),
    ],
    ids=lambda value: None if isinstance(value, list | dict | type) else value,
)
def test_what_cannot_work_is_refused_at_once(arguments, options, error, text):
    with pytest.raises(error, match=text):
        RedisService(*arguments, **options)


class Services:
    """Services as processes of their own, which know no Django settings."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONWARNINGS": "error"}
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        self.processes = []

    def start(self, *options, url=URL, stdout=None):
        path = self.folder / f"output-{len(self.processes)}"
        with path.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_events.clients.service", *(("--url", url) if url else ()), *options],
                stdout=stdout or file,
                stderr=file,
                env=self.environment,
                cwd=self.folder,
            )
        process.path = path
        self.processes.append(process)
        return process

    def run(self, *options, url=URL):
        process = self.start(*options, url=url)
        return process.wait(30), process.path.read_text()


@pytest.fixture
def services(tmp_path):
    services = Services(tmp_path)
    yield services
    for process in services.processes:
        process.kill()
        process.wait()


def printed(process):
    return [json.loads(line)["payload"]["obj_id"] for line in process.path.read_text().splitlines() if line[0] == "{"]


@pytest.mark.parametrize("group", [["--group", "billing"], []], ids=["group", "no group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_events_until_a_signal_ends_it(server, services, group, number):
    publish(server, 1, stream="mystream")
    process = services.start(*group)
    wait_for(lambda: printed(process) == [1], "the event")
    publish(server, 2, stream="mystream")
    wait_for(lambda: printed(process) == [1, 2], "the next event")
    process.send_signal(number)
    assert process.wait(30) == 0
    text = process.path.read_text()
    assert f"mystream ({' '.join(group).removeprefix('--') or 'no group'}) at {URL}: printed." in text
    assert "Traceback" not in text


def test_the_stream_comes_from_the_option_or_else_from_the_environment(server, services):
    services.environment["STREAM_EVENTS_STREAM"] = "orders"
    services.environment["REDIS_URL"] = URL
    publish(server, 1, stream="orders")
    publish(server, 2, stream="news")
    assert '"obj_id": 1' in services.run("--max-events", "1", url=None)[1]
    assert '"obj_id": 2' in services.run("--stream", "news", "--max-events", "1", url=None)[1]


def test_a_handler_is_found_in_the_folder_where_the_command_runs(server, services):
    (services.folder / "events.py").write_text("async def handle(event):\n    print('handled', event.obj_id)\n")
    publish(server, 1, stream="mystream")
    code, output = services.run("--group", "billing", "--handler", "events:handle", "--max-events", "1")
    assert (code, "handled 1" in output) == (0, True)


def test_a_handler_may_use_models_where_django_has_settings(server, services):
    services.environment.update(DJANGO_SETTINGS_MODULE="demo_project.settings", REDIS_URL=URL)
    text = "from demo_project.shop.models import Order\n"
    text += "def handle(event):\n    print(Order(number='A1'), 'handled')\n"
    (services.folder / "events.py").write_text(text)
    publish(server, 1, stream="mystream")
    code, output = services.run("--handler", "events:handle", "--max-events", "1", url=None)
    assert (code, "A1 handled" in output) == (0, True), output


def test_a_second_signal_ends_it_at_once(server, services):
    text = "import time\ndef handle(event):\n    print('handling', flush=True)\n    time.sleep(600)\n"
    (services.folder / "events.py").write_text(text)
    publish(server, 1, stream="mystream")
    process = services.start("--group", "billing", "--handler", "events:handle")
    wait_for(lambda: "handling" in process.path.read_text(), "the handler")
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: "consumer_stopping" in process.path.read_text(), "the stop")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert "Stopped at once" in process.path.read_text()
    assert pending(server, "mystream") == 1


@pytest.mark.slow
def test_a_killed_service_loses_nothing(server, services):
    text = "import os, signal\ndef handle(event):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    (services.folder / "events.py").write_text(text)
    publish(server, 1, 2, stream="mystream")
    assert services.run("--group", "billing", "--handler", "events:handle")[0] == -signal.SIGKILL
    server.zadd("{mystream}:billing:consumers", dict.fromkeys(server.zrange("{mystream}:billing:consumers", 0, -1), 1))
    process = services.start("--group", "billing")
    wait_for(lambda: sorted(printed(process)) == [1, 2], "both events", 60)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--handler", "no_such_module:handle"], 78, "does not import: ModuleNotFoundError"),
        (["--group", "a:b"], 78, "a group name has no colon"),
        (["--group", "billing", "--threads", "0"], 78, "threads must be"),
        (["--group", "billing", "--create-from", "then"], 78, "create_from is 'then', which is no entry id"),
        (["--threads", "2"], 2, "--threads is for a service with --group"),
        (["--group", "billing", "--start", "0"], 2, "--start is for a service without --group"),
        (["--port", "6379"], 2, "Give either --url, or --server and --port"),
        (["--health-file", "/no/such/folder/health"], 2, "in no folder that can be written to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_refused(services, options, code, text):
    found, output = services.run(*options)
    assert (found, text in output) == (code, True), output
    assert "Traceback" not in output


def test_django_settings_that_do_not_import_exit_78(services):
    services.environment["DJANGO_SETTINGS_MODULE"] = "no_such_settings"
    code, output = services.run()
    assert code == 78
    assert "DJANGO_SETTINGS_MODULE=no_such_settings" in output


def test_it_waits_visibly_for_redis_in_good_health_and_shows_no_password(services):
    health = str(services.folder / "health")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        process = services.start(
            "--group", "billing", "--health-file", health, url=f"redis://:hunter2@127.0.0.1:{port}/0"
        )
        wait_for(lambda: "redis_unavailable" in process.path.read_text(), "the wait")
        wait_for(lambda: not problem(health), "good health")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert f"redis://127.0.0.1:{port}/0" in process.path.read_text()
    assert "hunter2" not in process.path.read_text()
    assert not os.path.exists(health)


def test_it_ends_when_nobody_reads_what_it_prints_and_loses_nothing(server, services):
    reading, writing = os.pipe()
    process = services.start("--group", "billing", stdout=writing)
    os.close(writing)
    with open(reading) as lines:
        publish(server, 1, stream="mystream")
        assert json.loads(lines.readline())["payload"]["obj_id"] == 1
    publish(server, 2, stream="mystream")
    assert process.wait(30) == 0
    assert pending(server, "mystream") == 1
