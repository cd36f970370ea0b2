"""Large pending lists, and what only some servers have."""

import pytest
import redis

from tests.conftest import wait_for
from tests.faults.conftest import GROUNDS, KEYS, Ground, pending, publish, wait_until_settled

fault = pytest.mark.fault
ENTRIES = 100_000
LONGEST_CALL = 20_000  # microseconds
SOME = 5  # of a thousand calls a busy machine may interrupt that many


@fault("F41", "F42")
@pytest.mark.slow
@pytest.mark.parametrize("ground", [GROUNDS[0], GROUNDS[4]], ids=str)
def test_a_hundred_thousand_entries_of_a_dead_consumer_are_adopted_in_short_calls(real, handled, run):
    client = real.client
    client.config_set("appendfsync", "no")
    client.xgroup_create(KEYS.stream, "billing", id="0", mkstream=True)
    for start in range(0, ENTRIES, 1000):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, start + 1000):
            pipeline.xadd(KEYS.stream, {"payload": f'{{"obj_id": {number}}}'})
        pipeline.execute()
        client.xreadgroup("billing", "dead", {KEYS.stream: ">"}, count=1000)
    client.zadd(KEYS.consumers, {"dead": 1})
    client.config_set("slowlog-log-slower-than", LONGEST_CALL)
    client.slowlog_reset()
    run(count=500, consumer="adopter")
    publish("new")
    wait_for(lambda: "new" in handled, "a new event, while thousands are adopted")
    assert pending(client) > ENTRIES / 2
    wait_until_settled(client, timeout=180)
    assert sorted(one for one in handled if one != "new") == list(range(ENTRIES))
    slow = [one["command"] for one in client.slowlog_get() if one["command"].startswith(b"EVALSHA")]
    assert len(slow) < SOME, slow


@pytest.mark.slow
@pytest.mark.parametrize("ground", [Ground("redis-8")], ids=str)
def test_entries_that_were_given_up_by_their_consumer_are_adopted(real, handled, run):
    client = real.client
    client.xgroup_create(KEYS.stream, "billing", id="0", mkstream=True)
    ids = publish(1, 2)
    client.xreadgroup("billing", "another program", {KEYS.stream: ">"})
    try:
        client.execute_command("XNACK", KEYS.stream, "billing", "FAIL", "IDS", 2, *ids)
    except redis.ResponseError:
        pytest.skip("this server has no XNACK")
    run()
    wait_until_settled(client)
    assert sorted(handled) == [1, 2]


@fault("F11")
def test_a_process_that_forks_leaves_its_parents_connections_alone(real, workers):
    publish(*range(10))
    workers.start(HANDLER="forking")
    wait_until_settled(real.client)
    publish(*range(10, 20))
    wait_until_settled(real.client)
    assert sorted(workers.handled()) == list(range(20))


@fault("F12")
def test_a_clock_that_jumps_changes_nothing(real, handled, run, monkeypatch):
    import time

    run()
    publish(1)
    wait_until_settled(real.client)
    jump = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: jump)
    publish(2)
    wait_until_settled(real.client)
    monkeypatch.setattr(time, "time", lambda: jump - 2 * 86_400)
    publish(3)
    wait_until_settled(real.client)
    assert handled == [1, 2, 3]
