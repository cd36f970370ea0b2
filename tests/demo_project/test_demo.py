"""``manage.py demo``, from its start to Ctrl-C."""

import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import embedded, wait_for
from tests.demo_project.web import free_port


@pytest.fixture
def start_demo(project, tmp_path):
    (tmp_path / "db.sqlite3").unlink()  # the demo migrates by itself

    def start():
        path = tmp_path / f"output-{len(project.processes)}"
        port = free_port()
        with path.open("w") as file:
            process = project.start("demo", "--port", str(port), "--interval", "0.5", stdout=file)
        process.port, process.text = port, path.read_text
        wait_for(lambda: re.search(r"shop +\| A\d+: invoiced", process.text()), "an invoiced order")
        return process

    return start


def leftovers(project):
    """Processes whose environment says that they belong to ``project``."""
    mark = f"REDIS_URL={project.url}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append((path.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_does_it_all_and_leaves_no_process_behind(project, start_demo, number):
    demo = start_demo()
    assert re.match(r"Dashboard +http://127.0.0.1:\d+/dashboard/ +user admin, password admin", demo.text())
    wait_for(lambda: "Quit the server" in demo.text(), "the web server")
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/admin/login/") as page:
        assert b"Django administration" in page.read()
    wait_for(lambda: re.search(r"shop +\| A\d+: cancelled", demo.text()), "a cancelled order")
    assert len(leftovers(project)) >= 5  # the demo, the web server, two consumers, the keeper
    demo.send_signal(number)
    assert demo.wait(20) == 0
    assert "Everything has stopped." in demo.text()
    assert leftovers(project) == []
    assert not embedded(project.url).socket.exists()


def test_leaves_no_process_behind_when_it_is_killed(project, start_demo):
    start_demo().kill()
    wait_for(lambda: not leftovers(project), "the end of every process")


@pytest.mark.parametrize("moment", ["migrating", "Quit with CONTROL-C", "Consuming"])
def test_ctrl_c_while_it_starts_is_no_error(project, tmp_path, moment):
    (tmp_path / "db.sqlite3").unlink()
    path = tmp_path / "output"
    with path.open("w") as file:
        demo = project.start("demo", "--port", str(free_port()), "--interval", "0.01", stdout=file)
    server = embedded(project.url)
    wait_for(lambda: server.socket.exists() if moment == "migrating" else moment in path.read_text(), moment)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(20) == 0
    assert "Traceback" not in path.read_text()
    assert leftovers(project) == []


def test_wants_debug(project):
    project.environment |= {"DEBUG": "false", "SECRET_KEY": "of a test"}
    code, output = project.run("demo", "--port", str(free_port()))
    assert code == 1
    assert "DEBUG=True" in output


@pytest.mark.slow
def test_runs_again_on_what_it_left(start_demo):
    for _ in range(2):
        demo = start_demo()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0


def test_a_taken_port_is_named(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = project.run("demo", "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "choose another one with --port" in output


def test_the_project_is_clean(project):
    assert project.run("check", "--fail-level", "WARNING")[0] == 0
    assert project.run("makemigrations", "--check", "--dry-run")[0] == 0
    assert project.run("dumpdata", "--all")[0] == 0


@pytest.mark.slow
def test_web_server_and_consumer_run_by_hand_as_well(project):
    web = project.start("runserver", "--noreload", f"127.0.0.1:{free_port()}")
    consumer = project.start("runconsumer", "orders", "billing")
    project.shell(
        "from django.db import transaction\n"
        "from demo_project.shop.models import Order\n"
        "with transaction.atomic():\n"
        "    Order.objects.create(number='A1', customer='Ada').lines.create(product='Tea', unit_price=1)\n"
    )
    code = "from demo_project.billing.models import Invoice; print(Invoice.objects.count())"
    wait_for(lambda: project.shell(code).strip() == "1", "the invoice")
    for process in (web, consumer):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
