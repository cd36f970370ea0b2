"""Redis does not answer: one request finds out, the others are told."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.test import override_settings

from stream_events import StreamPublisher
from stream_events.publishing.breaker import ABANDONED, breaker
from tests.conftest import wait_for

EVENT = {"obj_id": 1, "obj_type": "shop.order", "action": "create"}


def add():
    return StreamPublisher("orders").add(EVENT)


def test_one_request_pays_and_the_next_ones_do_not_even_connect(silent):
    with pytest.raises(redis.TimeoutError):
        add()
    for _ in range(300):
        with pytest.raises(redis.ConnectionError, match="not tried"):
            add()
    assert silent.attempts() < 10  # the first, and probes


def test_it_is_said_once_and_without_a_password(silent, settings, caplog):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "URL": silent.url.replace("//", "//:secret@")}
    for _ in range(20):
        with pytest.raises(redis.RedisError):
            add()
    assert [one.levelname for one in caplog.records if "redis_unavailable" in one.message] == ["ERROR"]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("hurt", ["pause", "kill"])
def test_it_closes_by_itself_when_redis_answers_again(real, hurt, caplog):
    add()
    getattr(real, hurt)()
    with pytest.raises(redis.RedisError):
        add()
    assert breaker.is_open
    real.go_on() if hurt == "pause" else real.start()
    wait_for(lambda: not breaker.is_open, "an answer")
    add()
    assert "redis_available" in caplog.text


def test_a_refusal_is_an_answer(real):
    real.client.set("orders", "no stream")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        add()
    assert not breaker.is_open


def test_a_server_that_wants_another_password_is_not_asked_each_time(real):
    real.client.config_set("requirepass", "new")
    real.client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(redis.AuthenticationError):
        add()
    with pytest.raises(redis.ConnectionError, match="not tried"):
        add()


class TestWhereNoThreadProbes:
    """As after a fork, or where a server of web applications lets no thread run."""

    @pytest.fixture(autouse=True)
    def _open(self, real):
        breaker.trip(redis.ConnectionError("gone"))  # by itself it starts no thread

    @pytest.fixture
    def abandoned(self, monkeypatch):
        monkeypatch.setattr(breaker, "_probed_at", breaker._probed_at - ABANDONED - 1)

    def test_nobody_tries_for_a_while(self):
        with pytest.raises(redis.ConnectionError, match="gone"):
            add()

    def test_then_a_caller_does_and_closes_it_for_all(self, abandoned):
        add()
        assert not breaker.is_open
        add()

    def test_one_caller_at_a_time(self, real, abandoned):
        real.pause()
        before = breaker._probed_at
        with ThreadPoolExecutor(1) as pool:
            trying = pool.submit(add)
            wait_for(lambda: breaker._probed_at != before, "the one that tries")
            with pytest.raises(redis.ConnectionError, match="not tried"):
                add()
            assert isinstance(trying.exception(), redis.TimeoutError)
        real.go_on()


def test_other_settings_are_another_server(silent, server):
    with pytest.raises(redis.TimeoutError):
        add()
    with override_settings(STREAM_EVENTS={"URL": f"unix://{server.connection_pool.connection_kwargs['path']}"}):
        add()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_finds_out_for_itself_and_once(silent):
    with pytest.raises(redis.TimeoutError):
        add()
    child = os.fork()
    if not child:
        code = 1
        try:
            with pytest.raises(redis.TimeoutError):
                add()
            with pytest.raises(redis.ConnectionError, match="not tried"):
                add()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
