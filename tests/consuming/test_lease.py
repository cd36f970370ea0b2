"""The proof that a consumer lives, and what it knows of gaps."""

import time

import pytest
import redis

from stream_events.consuming.lease import Lease
from stream_events.consuming.roster import Roster
from tests.consuming.test_group import KEYS, make_group


class Server:
    def __init__(self):
        self.answers = []

    def renew(self, seconds):
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


def test_it_is_sure_for_three_quarters_of_its_time(clock):
    lease = Lease(Server().renew, 30)
    assert not lease.is_sure(clock.now)
    lease.renew()
    assert lease.is_sure(clock.now + 22)
    assert not lease.is_sure(clock.now + 23)


def test_a_gap_begins_a_new_term(clock):
    lease = Lease(Server().renew, 30)
    lease.renew()
    term = lease.term
    clock.now += 10
    lease.renew()
    assert lease.term == term
    clock.now += 25  # a process that was stopped, or a laptop that was closed
    lease.renew()
    assert lease.term == term + 1


def test_a_lease_that_others_took_away_begins_a_new_term(clock):
    server = Server()
    lease = Lease(server.renew, 30)
    lease.renew()
    term = lease.term
    server.answers = [False]
    lease.renew()
    assert lease.term == term + 1


def test_the_others_are_believed_after_half_a_lease_without_a_gap(clock):
    server = Server()
    lease = Lease(server.renew, 30)
    lease.renew()
    assert not lease.is_settled(clock.now + 10)
    assert lease.is_settled(clock.now + 16)
    clock.now += 10
    server.answers = [redis.ConnectionError()]
    assert lease.keep() == 1.0  # tried again soon
    assert not lease.is_settled(clock.now + 100)
    lease.renew()
    assert not lease.is_settled(clock.now + 10)
    assert lease.is_settled(clock.now + 16)


def test_redis_says_whether_it_was_still_there(server):
    roster = Roster(make_group("one"))
    assert roster.renew(0.05) is False
    assert roster.renew(0.05) is True
    time.sleep(0.1)
    assert roster.renew(30) is False
    assert server.zrange(KEYS.consumers, 0, -1) == [b"one"]


def test_it_is_renewed_at_maxmemory(server):
    roster = Roster(make_group("one"))
    server.config_set("maxmemory", "1")
    try:
        roster.renew(30)
        assert roster.renew(30) is True
    finally:
        server.config_set("maxmemory", "0")
