"""Everything at once: processes and servers die at random, and every event is handled all the same."""

import json
import random
import signal
import threading
import time
from collections import Counter

import pytest

from tests.conftest import wait_for
from tests.faults.conftest import KEYS, dead_letters, is_settled

EVENTS = 50_000
POISON = range(0, EVENTS, EVENTS // 50)
LEASE = 3.0
KILLS, STALLS, CRASHES = 24, 6, 4  # of consumers, of consumers, of the server
PAUSE = 2.2  # seconds between two of them, on average


class Chaos:
    """Publishes, kills and stalls for a while, then lets everything come to rest."""

    def __init__(self, server, workers, seed):
        self.server = server
        self.workers = workers
        self.counts = Counter()
        self.random = random.Random(seed)
        self.running = [self._start() for _ in range(4)]
        self._uncertain = threading.Lock()  # held while nobody can tell what the server has taken

    def run(self):
        publisher = threading.Thread(target=self._publish)
        publisher.start()
        actions = [self._kill] * KILLS + [self._stall] * STALLS + [self._crash] * CRASHES
        self.random.shuffle(actions)
        stalls = []
        for action in actions:
            time.sleep(self.random.uniform(0.5, 1.5) * PAUSE)
            self.counts[action.__name__] += 1
            if thread := action():
                stalls.append(thread)
        for thread in [publisher, *stalls]:
            thread.join()
        wait_for(lambda: is_settled(self.server.client), "an empty pending list", timeout=180)

    def stop(self):
        wait_for(self._are_only_these_there, "four consumers and no dead one")
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in self.running] == [0] * 4

    def _are_only_these_there(self):
        names = [name.decode() for name in self.server.client.zrange(KEYS.consumers, 0, -1)]
        return len(names) == 4 and all(any(f"-{one.pid}-" in name for name in names) for one in self.running)

    def _start(self):
        return self.workers.start()

    def _publish(self):
        for start in range(0, EVENTS, 250):
            with self._uncertain:
                pipeline = self.server.client.pipeline(transaction=False)
                for number in range(start, start + 250):
                    payload = {"obj_id": number, "obj_type": "shop.order", "action": "create"}
                    pipeline.xadd(KEYS.stream, {"payload": json.dumps(payload), "event_id": f"event {number}"})
                pipeline.execute()
            time.sleep(0.25)

    def _kill(self):
        at = self.random.randrange(4)
        self.running[at].send_signal(signal.SIGKILL)
        self.running[at].wait()
        self.running[at] = self._start()

    def _stall(self):
        process = self.random.choice(self.running)
        process.send_signal(signal.SIGSTOP)

        def go_on():
            time.sleep(LEASE * 1.5)
            process.send_signal(signal.SIGCONT)

        thread = threading.Thread(target=go_on)
        thread.start()
        return thread

    def _crash(self):
        with self._uncertain:
            self.server.kill()
            time.sleep(self.random.uniform(0, 1))
            self.server.start()


@pytest.fixture
def chaos(real, workers):
    seed = random.randrange(10**6)
    print(f"\nseed {seed}")
    workers.environment |= {
        "STREAM_EVENTS": json.dumps({"URL": real.url, "BLOCK": 0.5, "LEASE": LEASE, "BACKOFF": 0.05}),
        "POISON": ",".join(map(str, POISON)),
        "FAILURES": "0.01",
    }
    return lambda: Chaos(real, workers, seed)


def check_what_is_left(chaos):
    """No entry pending, every poison one dead letter, and no trace of a consumer."""
    client = chaos.server.client
    letters = Counter(json.loads(letter[b"payload"])["obj_id"] for letter in dead_letters(client))
    assert letters == dict.fromkeys(POISON, 1)
    chaos.stop()
    assert client.xinfo_consumers(KEYS.stream, "billing") == []
    left = {key for key in client.scan_iter() if b":stats:" not in key and b"~stats:" not in key}
    assert left == {key.encode() for key in (KEYS.stream, KEYS.dead, KEYS.cursor)}
    kinds = ", ".join(f"{count} × {name.strip('_')}" for name, count in chaos.counts.items())
    print(f"{EVENTS} events, {kinds}; {len(letters)} dead letters, nothing pending, no consumer left")


@pytest.mark.slow
@pytest.mark.fault("F1", "F2", "F3", "F4", "F7", "F18", "F20")
def test_nothing_is_lost_whatever_dies(chaos, workers):
    workers.environment["HANDLER"] = "unlucky"
    chaos = chaos()
    chaos.run()
    check_what_is_left(chaos)
    handled = workers.handled()
    lost = set(range(EVENTS)) - set(POISON) - set(handled)
    duplicates = len(handled) - len(set(handled))
    print(f"{len(lost)} lost, {duplicates} duplicates ({duplicates / EVENTS:.3%})")
    assert not lost
    assert duplicates < EVENTS * 0.005


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'effects.sqlite3'}"
    return request.getfixturevalue("postgres").url


@pytest.mark.slow
@pytest.mark.fault("F3", "F48", "F49")
@pytest.mark.parametrize("handler", ["once", "once_in_batches"])
def test_database_effects_happen_once_whatever_dies(chaos, workers, database, handler):
    workers.environment |= {"DATABASE_URL": database, "HANDLER": handler}
    workers.django("migrate", "--run-syncdb", "--verbosity", "0")
    chaos = chaos()
    chaos.run()
    check_what_is_left(chaos)
    effects = Counter(int(line) for line in workers.query("obj_id FROM faults_effect"))
    assert effects == dict.fromkeys(set(range(EVENTS)) - set(POISON), 1)
    print(f"{len(effects)} effects, each once")
