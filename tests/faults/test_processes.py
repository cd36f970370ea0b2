"""What happens to consumers as processes: killed, stopped, stalled, and ended by their handlers."""

import signal

import pytest

from tests.conftest import wait_for
from tests.faults.conftest import KEYS, dead_letters, pending, publish, wait_until_settled

pytestmark = pytest.mark.slow

fault = pytest.mark.fault


def consumers(client):
    return {one["name"].decode(): one["pending"] for one in client.xinfo_consumers(KEYS.stream, "billing")}


@fault("F1", "F2", "F3", "F4")
def test_what_a_killed_process_had_in_hand_is_adopted(real, workers):
    publish(*range(50))
    first = workers.start("--count", "50", HANDLER="slow")
    wait_for(lambda: len(workers.handled()) > 5, "some handled events")
    first.kill()
    first.wait()
    assert pending(real.client) > 0
    workers.start()
    wait_until_settled(real.client)
    handled = workers.handled()
    assert set(handled) == set(range(50))
    assert len(handled) - 50 <= 2  # the one that ran, and one that was not acknowledged yet
    wait_for(lambda: len(consumers(real.client)) == 1, "the removal of the dead consumer")


@fault("F5")
def test_a_stopped_process_finishes_what_runs_and_hands_back_the_rest_at_once(real, workers):
    publish(*range(20))
    first = workers.start("--count", "20", HANDLER="slow")
    wait_for(lambda: len(workers.handled()) > 1, "some handled events")
    second = workers.start("--count", "20")
    first.terminate()
    assert first.wait(20) == 0
    wait_until_settled(real.client)
    assert sorted(workers.handled()) == list(range(20))
    second.terminate()
    assert second.wait(20) == 0
    assert consumers(real.client) == {}
    assert not real.client.exists(KEYS.retry, KEYS.consumers)


@fault("F5")
@pytest.mark.slow
def test_nine_stops_during_one_batch_make_no_dead_letter(real, workers):
    publish(*range(12))
    for stops in range(9):
        process = workers.start("--count", "100", HANDLER="slow")
        wait_for(lambda stops=stops: len(workers.handled()) > stops, "the next event")
        process.terminate()
        assert process.wait(20) == 0
    workers.start()
    wait_until_settled(real.client)
    assert sorted(workers.handled()) == list(range(12))
    assert dead_letters(real.client) == []


@fault("F6")
def test_a_second_signal_ends_the_process_at_once(real, workers):
    publish(1)
    process = workers.start(HANDLER="endless", POISON="1")
    wait_for(workers.handled, "the event")
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "consumer_stopping" in workers.output(), "the first signal")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert pending(real.client) == 1


def test_a_handler_that_runs_at_the_end_of_the_shutdown_timeout_is_left_to_others(real, workers, configure):
    workers.use(SHUTDOWN_TIMEOUT=0.5)
    publish(1, 2)
    process = workers.start(HANDLER="endless", POISON="1")
    wait_for(workers.handled, "the event")
    process.terminate()
    assert process.wait(10) == 1
    assert "shutdown timeout" in workers.output()
    workers.start()
    wait_until_settled(real.client)
    assert sorted(workers.handled()) == [1, 1, 2]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_handler_that_exceeds_its_timeout_ends_the_process(real, workers, threads):
    publish(1, 2)
    process = workers.start("--threads", threads, HANDLER="endless", POISON="1")
    assert process.wait(20) == 1
    assert "its timeout" in workers.output()
    workers.start()
    wait_until_settled(real.client)
    assert set(workers.handled()) == {1, 2}


@fault("F7")
def test_a_process_that_stalls_for_longer_than_its_lease_repeats_one_event_at_most(real, workers):
    publish(*range(30))
    first = workers.start("--count", "30", HANDLER="slow")
    wait_for(lambda: len(workers.handled()) > 2, "some handled events")
    first.send_signal(signal.SIGSTOP)
    workers.start()
    wait_for(lambda: pending(real.client) == 0, "the adoption of all its entries")
    first.send_signal(signal.SIGCONT)
    publish(30)
    wait_until_settled(real.client)
    handled = workers.handled()
    assert set(handled) == set(range(31))
    assert len(handled) - 31 <= 2
    assert dead_letters(real.client) == []


@fault("F8")
def test_a_handler_that_holds_the_interpreter_is_repeated_and_its_neighbours_are_not(real, workers):
    publish(*range(20))
    workers.start("--count", "20", HANDLER="stubborn", POISON="5")
    wait_for(lambda: 5 in workers.handled(), "the stubborn event")
    workers.start("--count", "20", HANDLER="plain")
    wait_until_settled(real.client)
    handled = workers.handled()
    assert set(handled) == set(range(20))
    assert len(handled) - 20 <= 6  # it, and what was not acknowledged when everything stood still


@fault("F10")
@pytest.mark.parametrize("threads", ["1", "4"])
def test_an_entry_that_ends_the_process_each_time_becomes_one_dead_letter(real, workers, threads):
    publish(*range(100))
    workers.start(
        "--workers", "2", "--threads", threads, "--count", "100", HANDLER="deadly", POISON="50", MAX_DELIVERIES="3"
    )
    wait_for(lambda: dead_letters(real.client), "the dead letter", timeout=60)
    wait_until_settled(real.client)
    (letter,) = dead_letters(real.client)
    assert letter[b"dead_reason"] == b"crashed"
    assert letter[b"dead_delivery_count"] == b"3"
    handled = workers.handled()
    assert set(handled) == set(range(100))
    assert handled.count(50) == 3


def test_a_supervisor_starts_what_crashed_and_passes_its_signals_on(real, workers):
    # No other worker adopts the deadly entry before the end, and crashes as well.
    workers.use(LEASE=60)
    parent = workers.start("--workers", "2", HANDLER="deadly", POISON="1")
    wait_for(lambda: workers.output().count("Consuming.") == 2, "two workers")
    publish(1)
    wait_for(lambda: "worker_ended" in workers.output(), "the crash")
    wait_for(lambda: workers.output().count("Consuming.") > 2, "the new worker")
    parent.terminate()
    assert parent.wait(30) == 0
    assert list(consumers(real.client).values()) == [1]  # only the one that crashed is still there


def test_workers_end_when_their_supervisor_is_killed(real, workers):
    parent = workers.start("--workers", "2")
    wait_for(lambda: workers.output().count("Consuming.") == 2, "two workers")
    parent.kill()
    wait_for(lambda: consumers(real.client) == {} and not real.client.exists(KEYS.consumers), "the end of both")


def test_workers_that_cannot_run_end_the_supervisor(real, workers):
    real.client.set(KEYS.stream, "text")
    assert workers.start("--workers", "3").wait(30) == 78
