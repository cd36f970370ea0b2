"""A real database that goes away while handlers use it."""

import pytest

from tests.conftest import wait_for
from tests.faults.conftest import dead_letters, pending, publish, wait_until_settled

pytestmark = pytest.mark.slow

fault = pytest.mark.fault


@pytest.fixture
def workers(workers, postgres):
    workers.environment |= {"DATABASE_URL": postgres.url, "HANDLER": "once"}
    workers.django("migrate", "--run-syncdb", "--verbosity", "0")
    return workers


def effects(workers):
    return sorted(map(int, workers.query("obj_id FROM faults_effect")))


@fault("F45")
@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_database_that_is_away_costs_no_delivery(real, workers, postgres, threads):
    publish(*range(100))
    workers.start("--threads", threads, MAX_DELIVERIES="1")
    wait_for(lambda: pending(real.client) is not None, "the consumer")
    postgres.crash()
    publish(*range(100, 200))
    wait_for(lambda: "database_outage" in workers.output(), "the outage")
    postgres.go_on()
    wait_until_settled(real.client)
    assert dead_letters(real.client) == []
    assert effects(workers) == list(range(200))


@fault("F46", "F47")
def test_a_connection_that_drops_is_an_ordinary_failure_and_the_next_event_gets_a_new_one(real, workers, postgres):
    workers.start()
    publish(1)
    wait_until_settled(real.client)
    postgres.execute("ALTER TABLE faults_effect RENAME TO away")
    publish(2)
    wait_for(lambda: "ProgrammingError" in workers.output(), "the failure")
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    postgres.execute("ALTER TABLE away RENAME TO faults_effect")
    publish(3)
    wait_until_settled(real.client)
    assert effects(workers) == [1, 2, 3]
    assert "database_outage" not in workers.output()
