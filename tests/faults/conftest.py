"""Servers that can be hurt, and consumers that run beside the test."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from typing import NamedTuple

import pytest
from django.test import override_settings

from stream_events import StreamPublisher
from stream_events.consuming import AsyncConsumer, Consumer
from stream_events.keys import group_keys
from tests.conftest import ROOT, wait_for
from tests.faults.postgres import Postgres
from tests.faults.proxy import Proxy
from tests.faults.servers import Server

KEYS = group_keys("orders", "billing")
QUICK = {"BLOCK": 0.2, "LEASE": 1.5, "BACKOFF": 0.05, "CLAIM_IDLE": 1.0, "PUBLISH_TIMEOUT": 5}


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("fault"):
            item.user_properties.extend(("fault", number) for number in mark.args)


@pytest.fixture
def start_server(tmp_path):
    """Starts servers that end with the test."""
    servers = []

    def start(kind="valkey-9", *options):
        server = Server(kind, tmp_path / f"server{len(servers)}", *options)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def configure(ground):
    """Sets ``STREAM_EVENTS`` for the rest of the test."""
    overrides = []
    options = {"OPTIONS": {"protocol": ground.protocol}} if ground.protocol else {}

    def use(url, **settings):
        override = override_settings(STREAM_EVENTS={"URL": url, **QUICK, **options, **settings})
        override.enable()
        overrides.append(override)

    yield use
    for override in reversed(overrides):
        override.disable()


class Ground(NamedTuple):
    """Where a scenario takes place; the first of them is for every day."""

    server: str = "valkey-9"
    protocol: int | None = None
    kind: str = "one lane"

    def __str__(self):
        return f"{self.server}, {self.kind}, protocol {self.protocol or 'default'}"


GROUNDS = [
    Ground(),
    Ground("valkey-9", 2, "four lanes"),
    Ground("valkey-9", 3, "on an event loop"),
    Ground("redis-7.0", 2, "on an event loop"),
    Ground("redis-7.0", 3, "one lane"),
    Ground("redis-6.2", 2, "one lane"),
    Ground("redis-6.2", 3, "four lanes"),
    Ground("redis-8", 2, "four lanes"),
    Ground("redis-8", 3, "one lane"),
]


@pytest.fixture
def ground():
    """Modules whose tests are scenarios have this parametrized with ``GROUNDS``."""
    return Ground()


@pytest.fixture
def real(start_server, configure, ground):
    """A server with the settings for it."""
    server = start_server(ground.server)
    configure(server.url)
    return server


@pytest.fixture
def proxy(real, configure):
    """A proxy before that server, and the settings for it."""
    proxy = Proxy(real.port)
    configure(f"redis://127.0.0.1:{proxy.port}/0")
    yield proxy
    proxy.close()


class Handled(list):
    """The handler of the group, and what it was called for; ``hook`` is called with each event."""

    def __init__(self):
        super().__init__()
        self.counts = []
        self.hook = lambda event: None

    def __call__(self, event):
        self.append(event.obj_id)
        self.counts.append(event.delivery_count)
        self.hook(event)


@pytest.fixture
def handled(registry):
    handled = Handled()
    registry.register(handled, stream="orders", group="billing", name="handled")
    return handled


class Run:
    """A consumer that runs in a thread."""

    def __init__(self, **options):
        self.consumer = self._make(options)
        self.name = self.consumer.name
        self.report = self.error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _make(self, options):
        return Consumer("orders", "billing", **options)

    def _run(self):
        try:
            self.report = self._consume()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def _consume(self):
        return self.consumer.run()

    def stop(self):
        self.consumer.stop()
        return self.wait()

    def wait(self, timeout=30):
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the consumer does not end"
        if self.error:
            raise self.error
        return self.report

    @property
    def is_running(self):
        return self._thread.is_alive()


class AsyncRun(Run):
    """The same on an event loop."""

    def _make(self, options):
        self._awaited = AsyncConsumer("orders", "billing", **options)
        return self._awaited._consumer

    def _consume(self):
        async def main():
            return await self._awaited.run()

        return asyncio.run(main())


@pytest.fixture
def run(ground):
    """Starts consumers of one kind that are stopped with the test."""
    runs = []

    def start(**options):
        if ground.kind == "four lanes":
            options.setdefault("threads", 4)
        kind = AsyncRun if ground.kind == "on an event loop" else Run
        runs.append(kind(**options))
        return runs[-1]

    yield start
    for one in runs:
        if one.is_running:
            one.consumer.stop()
    for one in runs:
        one._thread.join(20)


def publish(*numbers):
    ids, failed = StreamPublisher("orders").batch_add(
        [{"obj_id": number, "obj_type": "shop.order", "action": "create"} for number in numbers]
    )
    assert not failed
    return ids


def pending(client):
    """How many entries the group holds; None before there is a group."""
    return next((group["pending"] for group in client.xinfo_groups(KEYS.stream)), None)


def is_settled(client):
    """Whether everything that was published is done with."""
    last = client.xinfo_stream(KEYS.stream)["last-generated-id"]
    return any(one["pending"] == 0 and one["last-delivered-id"] == last for one in client.xinfo_groups(KEYS.stream))


def wait_until_settled(client, timeout=30.0):
    wait_for(lambda: is_settled(client), "an empty pending list", timeout)


def dead_letters(client):
    return [fields for _, fields in client.xrange(KEYS.dead)]


class Workers:
    """Consumers in processes of their own; what they handled is in a file, one line for each time."""

    def __init__(self, folder, url):
        self.log = folder / "workers.log"
        self.processes = []
        self._handled = folder / "handled"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "STREAM_EVENTS": json.dumps({"URL": url, **QUICK}),
            "HANDLED": str(self._handled),
            "HANDLER": "plain",
        }

    def start(self, *arguments, **environment):
        return self.spawn("django", "runconsumer", "orders", "billing", "--no-reload", *arguments, **environment)

    def spawn(self, module, *arguments, stdout=None, **environment):
        """Start ``python -m module``; it has an input, which is closed when it is told to end."""
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdin=subprocess.PIPE,
                stdout=stdout or log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def use(self, **settings):
        """Change ``STREAM_EVENTS`` of the processes to come."""
        self.environment["STREAM_EVENTS"] = json.dumps({**json.loads(self.environment["STREAM_EVENTS"]), **settings})

    def django(self, *arguments):
        subprocess.run([sys.executable, "-m", "django", *arguments], cwd=ROOT, env=self.environment, check=True)

    def query(self, rest):
        """The first column of ``SELECT rest`` in the workers' database, as text."""
        code = f"from django.db import connection; c = connection.cursor(); c.execute('SELECT {rest}');"
        code += "print(*(row[0] for row in c.fetchall()))"
        command = [sys.executable, "-m", "django", "shell", "--verbosity", "0", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout.split()

    def handled(self):
        return [int(line) for line in self._handled.read_text().split()] if self._handled.exists() else []

    def output(self):
        return self.log.read_text(errors="replace")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


@pytest.fixture
def workers(tmp_path, real):
    workers = Workers(tmp_path, real.url)
    yield workers
    workers.close()


@pytest.fixture
def postgres():
    server = Postgres().start()
    yield server
    server.close()
