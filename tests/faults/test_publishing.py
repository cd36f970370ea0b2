"""Everything at once while many publish: no event is lost, misordered, or of what was rolled back."""

import json
import random
import subprocess
import time
import urllib.request
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path

import psycopg
import pytest

from tests.conftest import wait_for

pytestmark = pytest.mark.slow
fault = pytest.mark.fault

CHANGES, OBJECTS = 50_000, 500
WRITERS, RELAYS = 4, 2  # processes; a writer has five threads
MINUTE = 60.0
KINDS = ["pause", "kill"]


def entries(client, stream):
    """All entries of ``stream``, as fields and payload."""
    found = client.xrange(stream)
    return [(fields[b"event_id"], json.loads(fields[b"payload"])) for _, fields in found]


def events(client, stream):
    """The payloads in ``stream``, without those that came again; what comes again is the same."""
    first = {}
    for event_id, payload in entries(client, stream):
        assert first.setdefault(event_id, payload) == payload
    return list(first.values())


class Chaos:
    """Lets writers and relays run for a minute in which relays, writers and Redis are killed at random."""

    def __init__(self, server, workers, database, seed):
        self._server = server
        self._workers = workers
        self._database = database
        self._random = random.Random(seed)
        self._numbers = count()  # of relays
        wanted = {"writer": WRITERS, "relay": RELAYS}
        self._running = {kind: [self._start(kind) for _ in range(number)] for kind, number in wanted.items()}
        self.kills = Counter()
        self._victims = []

    def run(self):
        end = time.monotonic() + MINUTE
        while time.monotonic() < end:
            time.sleep(self._random.uniform(0.2, 2))
            kind = self._next_victim()
            self.kills[kind] += 1
            if kind == "server":
                self._server.kill()
                time.sleep(self._random.uniform(0, 1))
                self._server.start()
            else:
                self._kill(kind)
        wait_for(
            lambda: self.ask("SELECT sum(value) FROM faults_counter") >= CHANGES, f"{CHANGES} changes", timeout=120
        )
        for process in self._running["writer"]:
            process.stdin.close()
        assert [process.wait(30) for process in self._running["writer"]] == [0] * WRITERS
        wait_for(lambda: not self.ask("SELECT count(*) FROM stream_events_outboxevent"), "an empty outbox", timeout=60)
        for process in self._running["relay"]:
            # One that has only just taken the place of a killed one would be ended before it minds signals.
            wait_for(Path(process.args[-1]).exists, "the relay at work")
            process.terminate()
        assert [process.wait(30) for process in self._running["relay"]] == [0] * RELAYS

    def _next_victim(self):
        if not self._victims:
            self._victims = ["relay"] * 4 + ["server"] * 2 + ["writer"]
            self._random.shuffle(self._victims)
        return self._victims.pop()

    def ask(self, query):
        return self._database.execute(query).fetchone()[0]

    def _kill(self, kind):
        process = self._running[kind].pop(self._random.randrange(len(self._running[kind])))
        assert process.poll() is None, f"a {kind} has ended by itself"
        process.kill()
        process.wait()
        self._running[kind].append(self._start(kind))

    def _start(self, kind):
        if kind == "writer":
            return self._workers.spawn("tests.faults.writer", str(OBJECTS))
        return self._workers.spawn("django", "runrelay", "--health-file", f"{self._workers.log}-{next(self._numbers)}")


@pytest.fixture
def database(postgres, workers):
    workers.environment["DATABASE_URL"] = postgres.url
    workers.django("migrate", "--run-syncdb", "--verbosity", "0")
    with closing(psycopg.connect(postgres.url, autocommit=True)) as connection:
        yield connection


def test_every_committed_change_arrives_in_the_order_of_commits_and_no_other(real, workers, database):
    keys = f"range(1, {OBJECTS} + 1)"
    create = f"from tests.faults.models import Counter as C; C.objects.bulk_create(C(pk=key) for key in {keys})"
    workers.django("shell", "--verbosity", "0", "-c", create)
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown when the test fails
    chaos = Chaos(real, workers, database, seed)
    chaos.run()
    changes = defaultdict(list)
    for payload in events(real.client, "counters"):
        changes[payload["obj_id"]].append((payload["action"], payload["data"]["value"]))
    last = dict(database.execute("SELECT id, value FROM faults_counter").fetchall())
    assert sum(last.values()) >= CHANGES
    assert len(last) == len(changes) == OBJECTS
    for key, found in changes.items():
        assert [value for action, value in found if action != "delete"] == list(range(last[key] + 1)), key
        for (_, before), (action, value) in pairwise(found):
            assert action != "delete" or value == before
    duplicates = len(entries(real.client, "counters")) - sum(map(len, changes.values()))
    print(f"{sum(last.values())} changes, {duplicates} came again, killed: {dict(chaos.kills)}")
    assert all(chaos.kills[kind] for kind in ("relay", "server", "writer"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_around_its_commit_leaves_both_row_and_event_or_neither(real, workers, database, when):
    kill = "import os; os.kill(os.getpid(), 9)"
    code = "from django.db import transaction; from tests.faults.models import Counter\n"
    code += f"with transaction.atomic():\n  Counter(pk=1).save()\n  {kill if when == 'before' else 'pass'}\n{kill}"
    with pytest.raises(subprocess.CalledProcessError) as killed:
        workers.django("shell", "--verbosity", "0", "-c", code)
    assert killed.value.returncode == -9
    for table in ("faults_counter", "stream_events_outboxevent"):
        wait_for(
            lambda table=table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == (when == "after"),
            f"what is to be in {table}",
        )


class Site:
    """Web processes, and what they were asked for."""

    def __init__(self, workers, count):
        self._processes = [workers.spawn("tests.faults.web", stdout=subprocess.PIPE) for _ in range(count)]
        self._ports = [int(process.stdout.readline()) for process in self._processes]
        self._asked = 0

    def visit(self, count):
        """Send ``count`` requests, some at once, each with a number of its own; all are answered well."""
        numbers = range(self._asked, self._asked + count)
        self._asked += count
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(self._request, numbers)) == {200}

    def kill(self):
        for process in self._processes:
            process.kill()
            process.wait()

    def _request(self, number):
        port = self._ports[number % len(self._ports)]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{number}", timeout=30) as response:
            return response.status


@pytest.fixture(params=["sqlite", "postgres"])
def site(request, workers, tmp_path):
    if request.param == "sqlite":
        workers.environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    else:
        workers.environment["DATABASE_URL"] = request.getfixturevalue("postgres").url
    workers.use(PUBLISH_TIMEOUT=0.25)
    workers.django("migrate", "--run-syncdb", "--verbosity", "0")
    return Site(workers, 3)


def begin(outage, server):
    server.pause() if outage == "pause" else server.kill()


def end(outage, server):
    server.go_on() if outage == "pause" else server.start()


def numbers(client):
    return {payload["data"]["number"] for payload in events(client, "visits")}


def outbox(workers):
    return int(workers.query("count(*) FROM stream_events_outboxevent")[0])


@pytest.mark.parametrize("then", ["idle", "killed"])
@pytest.mark.parametrize("outage", KINDS)
def test_what_web_processes_could_not_publish_arrives_with_no_further_request(real, workers, site, outage, then):
    workers.start()
    wait_for(lambda: "Consuming." in workers.output(), "the consumer")
    site.visit(10)
    begin(outage, real)
    site.visit(100)
    assert outbox(workers) >= 90
    if then == "killed":
        site.kill()
    end(outage, real)
    wait_for(lambda: numbers(real.client) == set(range(110)), "all events")
    wait_for(lambda: not outbox(workers), "an empty outbox")
    ids = {event_id for event_id, _ in entries(real.client, "visits")}
    assert len(ids) == 110


def test_the_housekeeping_of_a_consumer_sends_what_a_killed_web_process_has_spilled(real, workers, site):
    real.kill()
    site.visit(20)
    site.kill()
    real.start()
    assert outbox(workers) == 20
    assert not real.client.exists("visits")
    workers.start()
    wait_for(lambda: numbers(real.client) == set(range(20)), "all events")
    wait_for(lambda: not outbox(workers), "an empty outbox")
