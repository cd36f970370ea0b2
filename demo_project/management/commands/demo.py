"""``manage.py demo``: the whole thing at work on this machine, until Ctrl-C."""

import ctypes
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import IO, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from demo_project.billing.models import Invoice
from demo_project.shop.models import Order
from demo_project.shop.trade import Trade
from stream_events.conf import get_settings
from stream_events.connections import parse
from stream_events.embedded import EmbeddedServer
from stream_events.exceptions import EmbeddedServerError

USERNAME = PASSWORD = "admin"
GROUPS = ("billing", "customer_care")
STOP_TIMEOUT = 15  # seconds that a process gets to end
SERVER_STOP_TIMEOUT = 3
PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    help = "Runs a web server, two consumers and a trickle of orders on the embedded server. Ctrl-C ends it all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="where the web server listens (default: 8000)")
        parser.add_argument("--interval", type=float, default=5.0, help="seconds between two orders (default: 5)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo makes an administrator whose password everybody knows: it wants DEBUG=True.")
        port = options["port"]
        if _is_taken(port):
            raise CommandError(f"Port {port} is in use; choose another one with --port.")
        self._stopping = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        try:
            self._run(port, options["interval"])
        except EmbeddedServerError as error:
            raise CommandError(str(error)) from error
        finally:
            _leave_embedded_server()
            self._say("Everything has stopped.")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _run(self, port: int, interval: float) -> None:
        server = _embedded_server()
        if server is not None:
            server.ensure_running()
        call_command("migrate", verbosity=0)
        _make_admin()
        self._say(
            f"Dashboard  http://127.0.0.1:{port}/dashboard/   user {USERNAME}, password {PASSWORD}",
            f"Admin      http://127.0.0.1:{port}/admin/",
            "Look at    the dashboard, live; in the admin, Stream events › Streams, Pending entries; Shop › Orders;",
            "           Billing › Invoices; Customer care › Tickets",
            "Try        save an order without lines: it cannot be invoiced, and its event stays pending. Add a line:",
            "           it is invoiced when the event comes again; the page says when that is.",
            "Everything runs on this machine. Quit with CONTROL-C.",
        )
        with ExitStack() as stack:
            processes = {name: stack.enter_context(self._process(name, *to_run)) for name, to_run in _commands(port)}
            self._trickle(interval, processes)
            self._say("Stopping.")

    def _trickle(self, interval: float, processes: dict[str, subprocess.Popen[str]]) -> None:
        trade = Trade()
        while not self._stopping:
            for name, process in processes.items():
                if process.poll() is not None:
                    raise CommandError(f"The process {name} has ended{_how(process.returncode)}.")
            order = trade.place_order()
            moved = trade.move_on()
            until = time.monotonic() + interval
            while not self._stopping and time.monotonic() < until:
                time.sleep(min(interval, 0.1))
            self._tell("shop", f"{order}: {'invoiced' if _is_invoiced(order) else 'waiting for its invoice'}")
            if moved is not None:
                self._tell("shop", f"{moved}: {moved.status}")

    @contextmanager
    def _process(self, name: str, *command: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-u", sys.argv[0], *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a terminal's Ctrl-C is for us; we then stop the others in order
            preexec_fn=_die_with_parent,
        )
        assert process.stdout is not None
        printer = threading.Thread(target=self._print, args=(name, process.stdout), daemon=True)
        printer.start()
        try:
            yield process
        finally:
            _end(process)
            printer.join(STOP_TIMEOUT)

    def _print(self, name: str, output: IO[str]) -> None:
        with output:
            for line in output:
                self._tell(name, line.rstrip())

    def _tell(self, name: str, line: str) -> None:
        self._say(f"{name:13} | {line}")

    def _say(self, *lines: str) -> None:
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _commands(port: int) -> Iterator[tuple[str, list[str]]]:
    yield "web", ["runserver", "--noreload", f"127.0.0.1:{port}"]
    for group in GROUPS:
        yield group, ["runconsumer", "orders", group, "--no-reload"]


def _make_admin() -> None:
    users = get_user_model().objects
    if not users.filter(username=USERNAME).exists():
        users.create_superuser(USERNAME, password=PASSWORD)


def _is_invoiced(order: Order) -> bool:
    return Invoice.objects.filter(order_number=order.number).exists()


def _embedded_server() -> EmbeddedServer | None:
    folder = parse(get_settings().url).get("folder")
    return None if folder is None else EmbeddedServer(folder)


def _leave_embedded_server() -> None:
    server = _embedded_server()
    if server is None:
        return
    server.release()
    deadline = time.monotonic() + SERVER_STOP_TIMEOUT
    while server.socket.exists() and time.monotonic() < deadline:  # it stays if somebody else uses it
        time.sleep(0.05)


def _die_with_parent() -> None:
    """Let Linux end the process with the demo, should that be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(code: int) -> str:
    return f": killed by signal {-code}" if code < 0 else f" with code {code}"


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
