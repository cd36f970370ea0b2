"""``runconsumer STREAM --no-group``, as real processes of the demo project."""

import json
import re
import signal

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import wait_for
from tests.management.test_runconsumer import Output, change_settings, write_handlers

HANDLERS = """
import os, time
from stream_events import handler

@handler("orders", group=None)
def show(event):
    print(f"shown {event.obj_id}.", flush=True)
    if os.environ.get("SLOW"):
        time.sleep(0.02)
"""


@pytest.fixture
def dashboard(project, tmp_path):
    """The project with a handler that needs no group."""
    write_handlers(tmp_path, "dashboard_app", HANDLERS)
    change_settings(project, tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'dashboard_app']")
    return project


@pytest.fixture
def consume(dashboard, tmp_path):
    """Starts the regular consumer with its output in a file."""

    def start(*options):
        path = tmp_path / f"output-{len(dashboard.processes)}"
        with path.open("w") as file:
            process = dashboard.start("runconsumer", "orders", "--no-group", "--no-reload", *options, stdout=file)
        return Output(process, path)

    return start


def publish(project, *numbers):
    with project.redis() as client:
        return [client.xadd("orders", {"payload": json.dumps({"obj_id": number})}).decode() for number in numbers]


def shown(output):
    return [int(line.removeprefix("shown ")) for line in output.split(".\n") if line.startswith("shown ")]


def test_says_what_runs_where_and_handles_every_event(dashboard):
    publish(dashboard, 1, 2)
    code, output = dashboard.run("runconsumer", "orders", "--no-group", "--max-events", "2")
    assert code == 0, output
    assert "orders  no group  handlers 1  begins after 0-0" in output
    assert "dashboard_app.stream_handlers.show" in output
    assert "shown 1.\nshown 2.\n" in output
    with dashboard.redis() as client:
        assert client.xinfo_groups("orders") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_a_read_that_waits(consume, number):
    output = consume("--block", "600")
    output.wait_for("Consuming.")
    output.process.send_signal(number)
    assert output.process.wait(30) == 0
    assert "Traceback" not in output.text()


def test_a_second_signal_ends_it_at_once(dashboard, consume, tmp_path):
    write_handlers(
        tmp_path,
        "endless_app",
        "import time\nfrom stream_events import handler\n"
        "@handler('orders', group=None)\n"
        "def wait(event):\n"
        "    print('handling', flush=True)\n"
        "    while True:\n"
        "        time.sleep(0.02)\n",
    )
    change_settings(dashboard, tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'endless_app']")
    publish(dashboard, 1)
    output = consume()
    output.wait_for("handling")
    output.process.send_signal(signal.SIGINT)
    output.wait_for("consumer_stopping stream=orders consumer=")
    output.process.send_signal(signal.SIGINT)
    assert output.process.wait(30) == 130
    assert "what was in hand comes again" in output.text()


@pytest.mark.parametrize("kind", ["file", "key"])
def test_a_killed_consumer_loses_nothing(dashboard, consume, tmp_path, kind):
    position = {"file": f"file:{tmp_path / 'position'}", "key": "key:dashboard"}[kind]
    last = publish(dashboard, *range(200))[-1]
    dashboard.environment["SLOW"] = "1"
    first = consume("--position", position, "--count", "10")
    first.wait_for("shown 25.")
    first.process.kill()
    first.process.wait()
    del dashboard.environment["SLOW"]
    second = consume("--position", position)
    second.wait_for("shown 199.")
    second.process.terminate()
    assert second.process.wait(30) == 0
    before, after = shown(first.text()), shown(second.text())
    assert 0 < after[0] <= before[-1] + 1
    assert after == list(range(after[0], 200))
    assert f"position={last}" in second.text()
    assert "goes on after" in second.text()


def test_create_from_is_where_it_begins(dashboard):
    ids = publish(dashboard, 1, 2)
    command = ("runconsumer", "orders", "--no-group", "--max-events", "1", "--create-from", ids[0])
    code, output = dashboard.run(*command)
    assert (code, shown(output)) == (0, [2]), output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("orders", "runconsumer orders billing”, or write “runconsumer orders --no-group"),
        ("users", "runconsumer users GROUP"),
        ("orders billing --no-group", "either the group 'billing' or --no-group"),
        ("orders billing --position key:a", "--position is for --no-group"),
        ("orders --no-group --workers 2", "--workers works in a group only"),
        ("orders --no-group --threads 2", "--threads works in a group only"),
        ("orders --no-group --drain", "--drain works in a group only"),
        ("orders --no-group --consumer web", "--consumer works in a group only"),
        ("orders --no-group --shutdown-timeout 5", "--shutdown-timeout works in a group only"),
    ],
)
def test_options_that_do_not_belong_together_are_errors_of_usage(registry, arguments, text):
    registry.register(print, stream="orders", group="billing")
    with pytest.raises(CommandError, match=re.escape(text)) as caught:
        call_command("runconsumer", *arguments.split(), skip_checks=True)
    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    ("position", "text"), [("key:a:b", "A position's name"), ("redis", "memory, file:PATH or key:NAME")]
)
def test_a_position_that_cannot_be_exits_2(project, position, text):
    code, output = project.run("runconsumer", "orders", "--no-group", "--position", position)
    assert (code, text in output) == (2, True), output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--create-from", "yesterday"], "start is 'yesterday', which is no entry id"),
        (["--position", "file:/nowhere/position"], "The position cannot be saved"),
        (["--position", "file:{folder}/damaged"], "damaged cannot be read as the position"),
    ],
    ids=["start", "folder", "file"],
)
def test_what_cannot_work_exits_78(dashboard, tmp_path, options, text):
    (tmp_path / "damaged").write_text("5-0")
    options = [option.format(folder=tmp_path) for option in options]
    code, output = dashboard.run("runconsumer", "orders", "--no-group", "--no-reload", *options)
    assert (code, text in output) == (78, True), output


def test_a_stream_without_such_handlers_says_what_is_registered(project):
    code, output = project.run("runconsumer", "orders", "--no-group", "--no-reload")
    assert code == 78
    assert "No handler is registered for stream 'orders' without a group" in output
    assert "  orders billing" in output


def test_a_registration_that_cannot_work_exits_78(dashboard, tmp_path):
    write_handlers(
        tmp_path,
        "broken_app",
        "from stream_events import handler\n@handler('users', group=None, once=True)\ndef show(event):\n    pass\n",
    )
    change_settings(dashboard, tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'dashboard_app', 'broken_app']")
    code, output = dashboard.run("runconsumer", "orders", "--no-group", "--no-reload", "--skip-checks")
    assert code == 78
    assert "once works in a group only, and group is None" in output


def test_restarts_with_new_code(dashboard, consume, tmp_path):
    dashboard.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    output = consume("--reload", "--position", "key:dashboard")
    output.wait_for("Consuming.")
    publish(dashboard, 1)
    output.wait_for("shown 1.")
    path = tmp_path / "dashboard_app" / "stream_handlers.py"
    path.write_text(HANDLERS.replace("shown", "now shown"))
    wait_for(lambda: output.text().count("Consuming.") == 2, "the restart")
    publish(dashboard, 2)
    output.wait_for("now shown 2.")
    assert "now shown 1." not in output.text()
