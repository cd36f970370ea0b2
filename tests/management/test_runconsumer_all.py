"""``runconsumer --all``, as real processes: three groups of two streams."""

import json
import os
import re
import signal

import pytest

from stream_events.health import problem
from tests.conftest import wait_for
from tests.management.test_runconsumer import Output, change_settings, write_handlers

HANDLERS = """
import os, time
from pathlib import Path
from stream_events import handler
FOLDER = Path({folder!r})
def note(event):
    print(f"got {{event.obj_id}} in process {{os.getpid()}}", flush=True)
    while (FOLDER / f"wait-{{event.group}}").exists():
        time.sleep(0.02)
    with (FOLDER / f"{{event.group}}.handled").open("a") as file:
        file.write(f"{{event.obj_id}}\\n")
handler("orders", group="billing")(note)
handler("orders", group="shipping")(note)
handler("news", group="mail")(note)
"""
BILLING, SHIPPING, MAIL = "orders:billing", "orders:shipping", "news:mail"
ALL = {BILLING, SHIPPING, MAIL}


class Fleet:
    def __init__(self, project, folder):
        self.project = project
        self.folder = folder

    def start(self, *options, reload="--no-reload"):
        path = self.folder / f"output-{len(self.project.processes)}"
        with path.open("w") as file:
            process = self.project.start("runconsumer", "--all", reload, *options, stdout=file)
        return Output(process, path)

    def run(self, *options):
        return self.project.run("runconsumer", *options)

    def publish(self, stream, *numbers):
        with self.project.redis() as client:
            for number in numbers:
                client.xadd(stream, {"payload": json.dumps({"obj_id": number})})

    def handled(self, group):
        path = self.folder / f"{group}.handled"
        return {int(line) for line in path.read_text().split()} if path.exists() else set()

    def wait_until_ready(self, output, labels=ALL):
        for label in labels:
            wait_for(lambda: re.search(rf"^{label} +\| Consuming", output.text(), re.M), f"{label} consuming")  # noqa: B023


@pytest.fixture
def fleet(project, tmp_path):
    write_handlers(tmp_path, "many_app", HANDLERS.format(folder=str(tmp_path)))
    change_settings(
        project,
        tmp_path,
        "INSTALLED_APPS = [*(app for app in INSTALLED_APPS if 'demo_project' not in app), 'many_app']\n"
        "ROOT_URLCONF = 'django.contrib.auth.urls'\n"
        "STREAM_EVENTS = {**STREAM_EVENTS, 'LEASE': 2}",
    )
    return Fleet(project, tmp_path)


def ended(output, code=0):
    assert output.process.wait(30) == code, output.text()
    return True


def started(text):
    """The labels of the processes that have said what they consume."""
    return set(re.findall(r"^(\S+) +\| Consuming", text, re.M))


def test_every_registered_group_gets_its_events_and_a_signal_ends_all(fleet):
    output = fleet.start()
    fleet.wait_until_ready(output)
    fleet.publish("orders", 1, 2)
    fleet.publish("news", 3)
    wait_for(lambda: fleet.handled("billing") == fleet.handled("shipping") == {1, 2}, "the orders")
    wait_for(lambda: fleet.handled("mail") == {3}, "the news")
    output.process.send_signal(signal.SIGTERM)
    ended(output)
    assert "Traceback" not in output.text()
    assert {line.split("|")[0].strip() for line in output.text().splitlines()} == ALL


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--only", "orders"], {BILLING, SHIPPING}),
        (["--only", "orders:billing", "news"], {BILLING, MAIL}),
        (["--except", "*:billing"], {SHIPPING, MAIL}),
        (["--only", "orders", "--except", SHIPPING], {BILLING}),
    ],
    ids=["a stream", "a group and a stream", "a pattern", "both"],
)
def test_patterns_choose_what_runs(fleet, options, expected):
    code, output = fleet.run("--all", *options, "--drain")
    assert code == 0, output
    assert started(output) == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--only", "orders:biling"], "Did you mean: orders:billing?"),
        (["--except", "nwes"], "Did you mean: news?"),
        (["--only", "news", "--except", "news:*"], "leave nothing to run"),
    ],
    ids=["only", "except", "nothing"],
)
def test_a_choice_that_cannot_be_lists_what_is_registered_and_exits_78(fleet, options, text):
    code, output = fleet.run("--all", *options)
    assert code == 78
    assert text in output
    assert "Registered:\n  news:mail\n  orders:billing\n  orders:shipping" in output


def test_nothing_registered_exits_78(fleet):
    (fleet.folder / "many_app" / "stream_handlers.py").write_text("")
    code, output = fleet.run("--all")
    assert code == 78
    assert "No handler is registered." in output


@pytest.mark.parametrize(
    "options",
    [["orders", "billing", "--all"], ["orders", "billing", "--only", "news"], ["--all", "--no-group"], []],
    ids=["a group and all", "a group and a choice", "all and no group", "nothing"],
)
def test_a_command_line_that_contradicts_itself_exits_2(fleet, options):
    code, output = fleet.run(*options)
    assert code == 2
    assert "--all" in output


@pytest.mark.slow
def test_one_that_is_killed_is_started_again_and_loses_nothing(fleet):
    (fleet.folder / "wait-shipping").touch()
    output = fleet.start()
    fleet.publish("orders", *range(5))
    running = wait_for(lambda: re.search(r"^orders:shipping +\| got 0 in process (\d+)", output.text(), re.M))
    wait_for(lambda: fleet.handled("billing") == set(range(5)), "the other group")
    os.kill(int(running[1]), signal.SIGKILL)
    output.wait_for("worker_ended worker=orders:shipping exit_code=137: started again")
    (fleet.folder / "wait-shipping").unlink()
    wait_for(lambda: fleet.handled("shipping") == set(range(5)), "what the killed one held", 60)
    fleet.publish("news", 6)
    wait_for(lambda: fleet.handled("mail") == {6}, "the neighbour")
    assert output.text().count("worker_ended") == 1
    output.process.send_signal(signal.SIGTERM)
    ended(output)


@pytest.mark.slow
def test_a_second_signal_ends_all_at_once(fleet):
    (fleet.folder / "wait-shipping").touch()
    output = fleet.start()
    fleet.wait_until_ready(output)
    fleet.publish("orders", 1)
    wait_for(lambda: re.search(r"shipping +\| got 1", output.text()), "the handler")
    output.process.send_signal(signal.SIGTERM)
    wait_for(lambda: re.search(r"shipping +\| .*consumer_stopping", output.text()), "the stop")
    output.process.send_signal(signal.SIGTERM)
    ended(output, 130)


def test_workers_of_a_killed_parent_end(fleet):
    output = fleet.start("--only", "orders")
    fleet.wait_until_ready(output, {BILLING, SHIPPING})
    output.process.kill()

    def are_gone():
        with fleet.project.redis() as client:
            return not any(client.xinfo_consumers("orders", group) for group in ("billing", "shipping"))

    wait_for(are_gone, "the workers gone")


@pytest.mark.slow
def test_draining_ends_with_0_when_nothing_is_left_and_with_3_when_something_is(fleet):
    fleet.publish("orders", 1)
    fleet.publish("news", 2)
    code, output = fleet.run("--all", "--drain")
    assert code == 0, output
    assert fleet.handled("billing") == fleet.handled("shipping") == {1}
    path = fleet.folder / "many_app" / "stream_handlers.py"
    path.write_text(f"{path.read_text()}\nhandler('news', group='mail', name='failing')(lambda event: 1 / 0)\n")
    fleet.publish("news", 3)
    code, output = fleet.run("--all", "--drain", "--workers", "2")
    assert code == 3, output
    assert re.search(r"^news:mail#[12] +\| .*ZeroDivisionError", output, re.M)


def test_a_group_that_cannot_run_stops_all(fleet):
    with fleet.project.redis() as client:
        client.set("news", "no stream")
    output = fleet.start()
    ended(output, 78)
    assert re.search(r"^news:mail +\| CommandError", output.text(), re.M)


@pytest.mark.slow
def test_all_are_started_again_when_code_changes(fleet):
    fleet.project.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    output = fleet.start("--only", "orders", reload="--reload")
    fleet.wait_until_ready(output, {BILLING, SHIPPING})
    path = fleet.folder / "many_app" / "stream_handlers.py"
    path.write_text(path.read_text().replace("got", "received"))
    wait_for(lambda: output.text().count("| Consuming") == 4, "the restart")
    fleet.publish("orders", 1)
    wait_for(lambda: output.text().count("| received 1") == 2, "the event")
    output.process.send_signal(signal.SIGTERM)
    ended(output)


@pytest.mark.slow
def test_its_health_is_that_of_all_its_workers(fleet):
    path = str(fleet.folder / "health")
    output = fleet.start("--health-file", path)
    wait_for(lambda: not problem(path), "good health")
    fleet.publish("news", 1)
    running = int(wait_for(lambda: re.search(r"got 1 in process (\d+)", output.text()))[1])
    os.kill(running, signal.SIGSTOP)
    try:
        wait_for(lambda: "old" in problem(path, 5), "the hung worker", 60)
    finally:
        os.kill(running, signal.SIGCONT)
    wait_for(lambda: not problem(path, 5), "the worker that goes on")
    output.process.send_signal(signal.SIGTERM)
    ended(output)
    assert not list(fleet.folder.glob("health*"))
