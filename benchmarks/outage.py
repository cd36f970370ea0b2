"""What requests that publish pay while Redis is away, and when it has it all: ``python -m benchmarks.outage``."""

import argparse
import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connections

from benchmarks.databases import NAMES, database
from stream_events.events import EVENT_ID, PAYLOAD
from tests.conftest import ROOT, wait_for
from tests.faults.servers import Server

PROCESSES = 3
ADDED = 5.0  # ms, the target for the 95th percentile of what requests after the first take longer
ARRIVAL = 5.0  # seconds, the target for the last event after Redis is back
PATIENCE = 30.0

OUTAGES = {"stopped": (Server.pause, Server.go_on), "refused": (Server.kill, Server.start)}


class Visit(NamedTuple):
    """How many milliseconds saves took: the first one of each process, and the others."""

    first: list[float]
    later: list[float]


class Outage(NamedTuple):
    """Visits before and in an outage, and the seconds from its end to the last event, unless one is missing.

    ``waiting`` is the number of events in the outbox at that end.
    """

    before: Visit
    during: Visit
    waiting: int
    arrived: float | None


class Site:
    """Web processes and one consumer, all of which end with ``stack``."""

    def __init__(self, server: Server, log: Path, options: argparse.Namespace, stack: ExitStack) -> None:
        self.server = server
        self.requests = options.requests
        self.interval = options.interval
        self.orders: Any = apps.get_model("benchmarks", "Published").objects
        self.outbox: Any = apps.get_model("stream_events", "OutboxEvent").objects
        self._log = log
        self._stack = stack
        web = [self._start("benchmarks.web", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(PROCESSES)]
        self.ports = [int(process.stdout.readline() or self._give_up("a web process ended")) for process in web]
        self.consumer = self._start("django", "runconsumer", "bench", "bystanders", "--no-reload")
        wait_for(self._is_consumed, "the consumer's group", PATIENCE)

    def visit(self, requests: int) -> Visit:
        """Send ``requests`` one after the other, to one process after the other."""
        times = []
        for number in range(requests):
            times.append(self._request(self.ports[number % PROCESSES]))
            time.sleep(self.interval)
        return Visit(times[:PROCESSES], times[PROCESSES:])

    def endure(self, kind: str) -> Outage:
        """Make visits before and in an outage, end it, and wait until what was published meanwhile has arrived."""
        begin, end = OUTAGES[kind]
        self._earlier = set(self.orders.values_list("pk", flat=True))
        self._position = self.server.client.xinfo_stream("bench")["last-generated-id"].decode()
        before = self.visit(self.requests)
        wait_for(self.is_complete, "what was published before the outage", PATIENCE)
        begin(self.server)
        during = self.visit(self.requests)
        waiting = self.outbox.count()
        end(self.server)
        self.server.client.ping()
        back = time.monotonic()
        try:
            wait_for(self.is_complete, "every event", PATIENCE)
        except AssertionError:
            return Outage(before, during, waiting, None)
        return Outage(before, during, waiting, time.monotonic() - back)

    def is_complete(self) -> bool:
        """Whether the stream has an event about every order since the last outage, and the outbox none."""
        if self.consumer.poll() is not None:
            self._give_up("the consumer ended")
        return not self.missing() and not self.outbox.exists()

    def missing(self) -> set[int]:
        stored = {json.loads(fields[PAYLOAD])["obj_id"] for fields in self._entries()}
        return set(self.orders.values_list("pk", flat=True)) - self._earlier - stored

    def duplicates(self) -> int:
        """Entries of events that the stream has already."""
        event_ids = [fields[EVENT_ID.encode()] for fields in self._entries()]
        return len(event_ids) - len(set(event_ids))

    def _entries(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in self.server.client.xrange("bench", min=f"({self._position}")]

    def _is_consumed(self) -> bool:
        if self.consumer.poll() is not None:
            self._give_up("the consumer ended")
        return bool(self.server.client.exists("bench") and self.server.client.xinfo_groups("bench"))

    def _request(self, port: int) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            if response.status != 200:
                self._give_up(f"a web process answered {response.status}")
            return float(response.read()) * 1000
        finally:
            connection.close()

    def _start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        with open(self._log, "ab") as log:
            command = [sys.executable, "-m", *arguments]
            process = subprocess.Popen(command, **{"cwd": ROOT, "stdout": log, "stderr": log, **options})
        self._stack.callback(_end, process)
        return process

    def _give_up(self, what: str) -> Any:
        sys.exit(f"{what}:\n{self._log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.communicate()  # a web process ends with its input
    else:
        process.kill()  # Redis may still be stopped, and a consumer that is asked to end would wait for it
        process.wait()


def report(kind: str, outage: Outage, site: Site) -> bool:
    """Print what one outage has cost; whether both targets are met."""
    usual = median(outage.before.later)
    during = Visit(*([one - usual for one in times] for times in outage.during))
    _print_visit("running", outage.before)
    _print_visit(f"{kind}: added", during)
    slow = _percentile(during.later, 0.95)
    late = outage.arrived is None or outage.arrived > ARRIVAL
    print(f"{'':4}target p95 added ≤ {ADDED:g} ms: {'missed' if slow > ADDED else 'met'}")
    print(f"{'':4}target everything arrived ≤ {ARRIVAL:g} s after Redis: {'missed' if late else 'met'} ", end="")
    if outage.arrived is None:
        print(f"({len(site.missing())} events missing and {site.outbox.count()} in the outbox after {PATIENCE:g} s)")
    else:
        print(f"({outage.arrived:.2f} s; {outage.waiting} were in the outbox, {site.duplicates()} came twice)")
    return not slow > ADDED and not late


def _print_visit(name: str, visit: Visit) -> None:
    first = "".join(f"{one:9.2f}" for one in visit.first)
    shares = "".join(f"{_percentile(visit.later, share):9.2f}" for share in (0.5, 0.95, 1))
    print(f"{name:<16}{first}{shares}")


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--database", choices=NAMES, default="sqlite")
    parser.add_argument("--requests", type=int, default=100, help="before, and again in each outage")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between them")
    parser.add_argument("--on-failure", choices=["outbox", "log"], default="outbox", help="the setting")
    options = parser.parse_args()
    if options.requests < 2 * PROCESSES:
        parser.error(f"there are {PROCESSES} processes, and each of them needs two requests")
    return options


def _configure(server: Server, folder: Path, options: argparse.Namespace, stack: ExitStack) -> None:
    """Django, here and in the processes to come, and its tables."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    os.environ["DATABASES"] = json.dumps({"default": database(options.database, folder, stack)})
    os.environ["STREAM_EVENTS"] = json.dumps({"URL": server.url, "ON_FAILURE": options.on_failure})
    django.setup()
    stack.callback(connections.close_all)
    call_command("migrate", run_syncdb=True, verbosity=0)


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server("valkey-9", folder / "redis", "--appendfsync", "everysec")
        stack.callback(server.close)
        server.start()
        _configure(server, folder, options, stack)
        site = Site(server, folder / "processes.log", options, stack)
        site.visit(10 * PROCESSES)
        title = f"{options.database}, ms in save()"
        print(f"{title:<23}{'first of each process':>20}{'p50':>9}{'p95':>9}{'max':>9}", flush=True)
        met = [report(kind, site.endure(kind), site) for kind in OUTAGES]
        return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
