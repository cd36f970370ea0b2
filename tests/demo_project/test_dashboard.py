"""The dashboard as the web server sends it; tests/browser looks at it with a browser."""

import contextlib
import json
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import make_redis, wait_for


def save_orders(project, *numbers):
    project.shell(
        "from demo_project.shop.models import Order\n"
        f"for number in {numbers}: Order.objects.create(number=number, customer='Ada')\n"
    )


def read_message(response):
    """The next server-sent event, as a dictionary of its fields."""
    lines = iter(lambda: response.readline().decode().rstrip("\n"), "")
    return dict(line.split(": ", 1) for line in lines)


@contextlib.contextmanager
def watch(site):
    """The live connection, after its first message, which says when to come again."""
    with site.look("/dashboard/live/") as response:
        assert response.status == 200
        assert read_message(response) == {"retry": "1000"}
        yield response


def test_a_browser_is_sent_the_whole_board_and_then_each_event(site):
    save_orders(site.project, "A1", "A2")
    with watch(site) as response:
        assert response.getheader("Content-Type") == "text/event-stream"
        assert "no-store" in response.getheader("Cache-Control")
        assert response.getheader("X-Accel-Buffering") == "no"
        snapshot = read_message(response)
        board = json.loads(snapshot["data"])
        assert snapshot["event"] == "snapshot"
        assert snapshot["id"] == board["lines"][0]["entry_id"]
        assert board["counts"] == [["create", 2]]
        assert [line["order"] for line in board["lines"]] == ["A2", "A1"]
        save_orders(site.project, "A3")
        message = read_message(response)
        line = json.loads(message["data"])
        assert (message["event"], message["id"], line["order"]) == ("line", line["entry_id"], "A3")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"]
)
def test_the_web_server_ends_while_pages_are_open(site, number, code):
    with watch(site), watch(site):
        site.process.send_signal(number)
        assert site.process.wait(30) == code
    assert "Traceback" not in site.log.read_text()


@pytest.mark.slow
def test_a_quiet_connection_is_heard_of(site):
    with watch(site) as response:
        assert read_message(response)["event"] == "snapshot"
        assert read_message(response)["event"] == "alive"


def test_a_browser_that_has_gone_is_noticed_with_the_next_events(site):
    threads = Path(f"/proc/{site.process.pid}/task")
    with contextlib.ExitStack() as browsers:
        for _ in range(10):
            browsers.enter_context(watch(site))
        watched = len(list(threads.iterdir()))

    def have_ended():
        save_orders(site.project, *(f"A{time.monotonic_ns()}-{number}" for number in range(3)))
        return len(list(threads.iterdir())) <= watched - 10

    wait_for(have_ended, "the end of the threads")


def test_one_process_reads_the_stream_once_however_many_look(site):
    with watch(site), watch(site), watch(site), make_redis(site.project.url) as server:
        readers = [one for one in server.client_list() if one["cmd"] == "xread"]
        assert len(readers) == 1


def test_a_forked_process_has_a_board_of_its_own(project):
    save_orders(project, "A1")
    output = project.shell(
        "import os, warnings\n"
        "from demo_project.dashboard.board import shared_board\n"
        "board = shared_board()\n"
        "warnings.simplefilter('ignore')\n"  # from Python 3.12 on, forking with threads is warned about
        "child = os.fork()\n"
        "own = shared_board()\n"
        "print(own is board, own.is_fed(), own.snapshot().counts, flush=True)\n"
        "child and os.waitpid(child, 0) or os._exit(0)\n"
    )
    assert sorted(output.splitlines()) == ["False True {'create': 1}", "True True {'create': 1}"]


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard/live/"])
def test_only_staff_may_look(site, path):
    with site.get(path) as response:
        assert response.status == 302
        assert response.getheader("Location").startswith("/admin/login/")


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard/live/"])
def test_is_there_while_redis_is_away(site, path):
    site.kill()
    site.project.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    site.start()
    with site.look(path) as response:
        assert response.status == 200


def test_a_key_that_is_no_stream_is_logged_and_forgiven(site):
    with site.project.redis() as server:
        server.set("orders", "no stream")
        with site.look("/dashboard/") as response:
            assert response.status == 200
        wait_for(lambda: "ConfigurationError" in site.log.read_text(), "the reason in the log")
        server.delete("orders")
    save_orders(site.project, "A1")
    with site.look("/dashboard/") as response:
        assert "A1" in response.read().decode()
