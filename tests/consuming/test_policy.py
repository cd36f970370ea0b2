"""Decisions, without anything around them."""

import pytest

from stream_events.conf import Settings
from stream_events.consuming.policy import Dead, Policy, Progress, Wait
from stream_events.exceptions import Reject, Retry
from stream_events.registration import make_handler

SETTINGS = Settings(max_deliveries=4, backoff=5.0)


def handler(name="a", **options):
    return make_handler(print, "orders", "billing", {"name": name, **options})


def policy(jitter=1.0):
    return Policy(SETTINGS, jitter=lambda low, high: jitter)


@pytest.mark.parametrize(("deliveries", "delay"), [(1, 5), (2, 10), (3, 20)])
def test_each_failure_doubles_the_wait(deliveries, delay):
    assert policy().after_failure(handler(), ValueError(), deliveries) == Wait(delay)


def test_no_wait_is_longer_than_ten_minutes():
    assert policy(1.2).backoff(handler(max_deliveries=10_000), 9_000) == 600


def test_waits_differ_so_that_what_failed_together_does_not_come_together():
    delays = {Policy(SETTINGS).backoff(handler(), 1) for _ in range(20)}
    assert len(delays) > 1
    assert all(4 <= delay <= 6 for delay in delays)


def test_a_handlers_own_numbers_win():
    own = handler(max_deliveries=2, backoff=1)
    assert policy().after_failure(own, ValueError(), 1) == Wait(1)
    assert policy().after_failure(own, ValueError(), 2) == Dead("max_deliveries")


def test_the_last_start_that_fails_is_the_end():
    assert policy().after_failure(handler(), ValueError(), 4) == Dead("max_deliveries")
    assert policy().after_failure(handler(), Retry(after=1), 4) == Dead("max_deliveries")


def test_what_the_handler_says_is_done():
    assert policy().after_failure(handler(), Reject("no"), 1) == Dead("rejected")
    assert policy().after_failure(handler(), Retry(after=77), 1) == Wait(77)
    assert policy().after_failure(handler(), Retry(), 1) == Wait(5)


def test_a_start_beyond_the_limit_means_that_processes_ended():
    assert policy().has_crashed_too_often(handler(), 4) is False
    assert policy().has_crashed_too_often(handler(), 5) is True


def test_progress_survives_being_saved():
    progress = Progress({"a"}, {"b": 12.5}, {"c": 2})
    assert Progress.load(progress.dump()) == progress
    assert Progress.load(b"") == Progress()


def test_the_first_that_is_due_is_called_whatever_the_clock_says():
    a, b, c, d = (handler(name) for name in "abcd")
    progress = Progress({"a"}, {"b": 200.0, "c": 100.0})
    assert progress.split([a, b, c], now=50.0) == ([c], [b])
    assert progress.split([a, b, c, d], now=50.0) == ([d], [b, c])
    assert progress.split([a, b, c], now=300.0) == ([b, c], [])


def test_nobody_pays_for_the_starts_of_others():
    a = handler()
    progress = Progress()
    progress.pass_over(a)
    assert progress.deliveries(a, 5) == 4
