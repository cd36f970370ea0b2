"""``RedisCache`` on a real server: the embedded one, and the other kinds where they differ in what they can."""

import asyncio
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.test import override_settings
from django.utils import timezone as django_timezone

from stream_events import StreamPublisher
from stream_events.cache import AT_A_TIME, RedisCache, escape_pattern
from stream_events.conf import settings_for
from stream_events.connections import cache_client
from stream_events.exceptions import (
    CacheDecodeError,
    CacheInputError,
    ConfigurationError,
    RedisUnavailableError,
    StreamEventsError,
)
from stream_events.keys import group_keys, relay_key, stream_key
from tests.conftest import wait_for
from tests.faults.servers import BINARIES, Server, free_port
from tests.test_public_api import run_python

ROOT = "t:~cache:"  # what KEY_PREFIX and the default prefix make
HOUR = timedelta(hours=1)


def patient(url=None, **options):
    """A cache that waits for a busy machine."""
    return RedisCache(url, timeout=30, **options)


@pytest.fixture
def cache(server):
    return patient()


def in_an_hour():
    return django_timezone.now() + HOUR


# Values


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, 10**30, "", "Grüße, 世界", [], [1, [2]], {"a": {"b": None}}],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(cache, value):
    cache.set("key", value)
    assert cache.get("key", default="nothing") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "2024-02-29T12:30:00Z"),
        (date(2024, 2, 29), "2024-02-29"),
        (timedelta(minutes=90), "P0DT01H30M00S"),
        (Decimal("19.90"), "19.90"),
        (UUID("12345678-1234-4234-8234-123456789abc"), "12345678-1234-4234-8234-123456789abc"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_has_no_form_for_comes_back_as_its_text(cache, value, text):
    cache.set("key", {"value": value})
    assert cache.get("key") == {"value": text}


def test_a_tuple_comes_back_as_a_list(cache):
    cache.set("key", (1, 2))
    assert cache.get("key") == [1, 2]


def test_any_client_can_read_and_write_the_json(cache, server):
    cache.set("kéy", {"name": "Grüße"})
    assert server.get(f"{ROOT}kéy") == '{"name":"Grüße"}'.encode()
    server.set(f"{ROOT}other", '{ "n" : 1 }')
    assert cache.get("other") == {"n": 1}


def circular():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [b"bytes", {1, 2}, object(), float("nan"), float("inf"), {(1, 2): 3}, circular(), "\ud800"],
    ids=["bytes", "set", "object", "nan", "inf", "a tuple as key", "circular", "half a character"],
)
def test_what_json_cannot_carry_is_refused_and_changes_nothing(cache, value):
    cache.set("key", "before")
    with pytest.raises(CacheInputError, match=r"cache key 'key' cannot be kept as JSON: .+ Use strings"):
        cache.set("key", value)
    assert cache.get("key") == "before"


def test_a_key_without_value_gives_the_default(cache):
    assert cache.get("key") is None
    assert cache.get("key", 7) == 7


@pytest.mark.parametrize("raw", [b"plain text", b"\xff", b"", b"[" * 100_000], ids=["text", "bytes", "empty", "deep"])
def test_a_value_that_is_not_json_is_an_error_that_names_the_key(cache, server, raw):
    server.set(f"{ROOT}key", raw)
    with pytest.raises(CacheDecodeError, match="cache key 'key' is not JSON"):
        cache.get("key", default=1)


def test_what_is_no_value_at_all_is_the_same_error(cache, server):
    server.rpush(f"{ROOT}key", "item")
    with pytest.raises(CacheDecodeError, match="cache key 'key' holds no value"):
        cache.get("key")


@pytest.mark.parametrize("key", ["", None, 7, b"key", "\ud800"], ids=repr)
@pytest.mark.parametrize("use", ["get", "exists", "delete", "get_keys_by_pattern", "delete_keys_by_pattern"])
def test_what_cannot_be_a_key_or_pattern_is_refused(cache, use, key):
    with pytest.raises(CacheInputError, match=r"cache (key|pattern) "):
        getattr(cache, use)(key)


def test_keys_may_hold_any_text(cache):
    names = ["a b", "*", "{orders}:billing:dead", "a\nb", "~", "世界"]
    for name in names:
        cache.set(name, name)
    assert [cache.get(name) for name in names] == names
    assert cache.get_keys_by_pattern("*") == sorted(names)


def test_exists_and_delete_say_whether_there_is_a_value(cache):
    assert cache.exists("key") is False
    cache.set("key", None)
    assert cache.exists("key") is True
    assert cache.delete("key") is True
    assert cache.delete("key") is False
    assert cache.exists("key") is False


# Expiry


def test_value_and_expiry_are_one_command(cache, server):
    with server.monitor() as monitor:
        cache.store_and_set_expire("key", 1, in_an_hour())
        server.ping()
        commands = []
        for command in monitor.listen():
            if command["command"] == "PING":
                break
            commands.append(command["command"].split()[:2])
    assert ["SET", f"{ROOT}key"] in commands
    assert [name for name, key in commands if key == f"{ROOT}key"] == ["SET"]


def test_a_value_expires_at_the_moment_to_the_millisecond(cache, server):
    moment = datetime(2100, 1, 1, 0, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=-5)))
    cache.store_and_set_expire("key", 1, moment)
    cache.set("other", 1)
    assert cache.set_key_expire_at("other", moment) is True
    clock = 4_102_462_800_123  # milliseconds, as Redis counts
    assert [server.execute_command("PEXPIRETIME", f"{ROOT}{key}") for key in ("key", "other")] == [clock, clock]


def test_a_value_that_has_expired_is_gone(cache):
    cache.store_and_set_expire("key", 1, django_timezone.now() + timedelta(seconds=0.2))
    wait_for(lambda: not cache.exists("key"), "the end of the value")
    assert cache.get("key") is None


def test_a_value_that_is_set_again_loses_its_expiry(cache, server):
    cache.set("key", 1, expire_at=in_an_hour())
    assert server.ttl(f"{ROOT}key") > 0
    cache.set("key", 2)
    assert server.ttl(f"{ROOT}key") == -1


def test_no_key_can_be_given_an_expiry(cache):
    assert cache.set_key_expire_at("key", in_an_hour()) is False
    assert cache.exists("key") is False


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        (datetime(2100, 1, 1), "no time zone: .*django.utils.timezone.now()"),
        (date(2100, 1, 1), "with a time zone, got date"),
        (3600, "with a time zone, got int"),
        (None, "with a time zone, got NoneType"),
    ],
    ids=["naive", "date", "int", "None"],
)
def test_an_expiry_that_is_no_moment_is_refused_and_changes_nothing(cache, moment, problem):
    with pytest.raises(CacheInputError, match=problem):
        cache.store_and_set_expire("key", 1, moment)
    with pytest.raises(CacheInputError, match=problem):
        cache.set_key_expire_at("key", moment)
    assert cache.exists("key") is False


PAST = {
    "a moment ago": lambda: datetime.now(UTC) - timedelta(milliseconds=1),
    "an hour ago": lambda: datetime.now(UTC) - HOUR,
    "the epoch": lambda: datetime(1970, 1, 1, tzinfo=UTC),
    "long before": lambda: datetime.min.replace(tzinfo=UTC),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Servers of each kind, started when they are first asked for."""
    started = {}

    def get(kind):
        if kind not in started:
            started[kind] = Server(kind, tmp_path_factory.mktemp(kind)).start()
        return started[kind]

    yield get
    for server in started.values():
        server.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", BINARIES)
@pytest.mark.parametrize("past", PAST.values(), ids=PAST)
def test_after_an_expiry_in_the_past_the_key_is_gone(servers, kind, past):
    cache = patient(servers(kind).url)
    for key in ("stored", "set", "given"):
        cache.set(key, "before")
    cache.store_and_set_expire("stored", 1, past())
    cache.set("set", 1, expire_at=past())
    assert cache.set_key_expire_at("given", past()) is True
    assert cache.set_key_expire_at("never there", past()) is False
    assert cache.get_keys_by_pattern("*") == []
    assert [cache.get(key) for key in ("stored", "set", "given")] == [None, None, None]


@pytest.mark.slow
@pytest.mark.parametrize("kind", BINARIES)
@pytest.mark.parametrize("protocol", [2, 3])
def test_all_of_it_works_on_every_server(servers, kind, protocol):
    server = servers(kind)
    server.client.xadd("orders", {"payload": "{}"})
    cache = patient(f"{server.url}?protocol={protocol}", prefix="a*:")
    cache.set("x", {"n": 1})
    cache.store_and_set_expire("y", 2, datetime.max.replace(tzinfo=UTC))
    assert cache.get("x") == {"n": 1}
    assert cache.get_keys_by_pattern("[xy]") == ["x", "y"]
    assert cache.delete_keys_by_pattern("x") == 1
    assert cache.flushall() == 1
    assert server.client.keys() == [b"orders"]


# Patterns


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["user:1", "user:2", "user:20", "x*y", "xzy"]),
        ("user:*", ["user:1", "user:2", "user:20"]),
        ("user:?", ["user:1", "user:2"]),
        ("user:[2-9]*", ["user:2", "user:20"]),
        ("user:[^1]", ["user:2"]),
        (r"x\*y", ["x*y"]),
        (escape_pattern("x*y"), ["x*y"]),
        ("user", []),
        ("t:*", []),
    ],
)
def test_patterns_are_those_of_redis_within_the_prefix(cache, pattern, found):
    for key in ("user:2", "user:1", "user:20", "x*y", "xzy"):
        cache.set(key, 1)
    assert cache.get_keys_by_pattern(pattern) == found
    assert cache.delete_keys_by_pattern(pattern) == len(found)
    assert cache.get_keys_by_pattern(pattern) == []


@pytest.mark.parametrize("text", ["*", "?", "[a]", "[^a]", "\\", "a-b", "\\*", "]", "^"])
def test_an_escaped_text_matches_only_itself(cache, text):
    cache.set(text, 1)
    cache.set("a", 1)
    assert cache.get_keys_by_pattern(escape_pattern(text)) == [text]


def test_many_keys_are_found_and_deleted_in_batches(cache, server):
    count = 3 * AT_A_TIME + 7
    server.mset({f"{ROOT}{number}": 1 for number in range(count)})
    assert cache.get_keys_by_pattern("*") == sorted(map(str, range(count)))
    server.config_resetstat()
    assert cache.flushall() == count
    calls = {name: details["calls"] for name, details in server.info("commandstats").items()}
    assert calls["cmdstat_unlink"] == count
    assert calls["cmdstat_scan"] > 1


def test_a_key_that_is_not_utf_8_is_listed_and_can_be_used(cache, server):
    server.set(f"{ROOT}".encode() + b"\xff", "1")
    (key,) = cache.get_keys_by_pattern("*")
    assert cache.get(key) == 1
    assert cache.delete(key)


# What is not the cache's own


def everything_else(server):
    """Fills the server with what a cache must not touch; returns its keys."""
    StreamPublisher("orders").add({"obj_id": 1, "obj_type": "shop.order", "action": "create"})
    StreamPublisher("cache:orders").add({"obj_id": 1, "obj_type": "shop.order", "action": "create"})
    server.xgroup_create("t:orders", "billing", 0)
    server.set(group_keys("orders", "billing", "t:").cursor, "1-1")
    server.set(relay_key("default", "t:"), "locked")
    for key in ("cache:x", "t:cache:x", "~cache:x", "t:~cache2:x", "t:~Cache:x", "u:~cache:x", "xt:~cache:x"):
        server.set(key, "1")
    return sorted(server.keys())


def test_flushing_touches_neither_streams_nor_other_caches_and_applications(cache, server):
    before = everything_else(server)
    for number in range(10):
        cache.set(f"key{number}", number)
    assert cache.flushall() == 10
    assert sorted(server.keys()) == before
    assert cache.flushall() == 0


@pytest.mark.parametrize("prefix", ["*", "?", "[a-z]", "[^x]", "\\", "a*:", "**", "\\*", "{tag}"])
def test_a_prefix_means_itself_whatever_it_holds(server, prefix):
    before = everything_else(server)
    neighbour = patient(prefix="a:")
    neighbour.set("key", 1)
    cache = patient(prefix=prefix)
    cache.set("key", 2)
    assert server.get(f"t:~{prefix}key") == b"2"
    assert cache.get_keys_by_pattern("*") == ["key"]
    assert cache.flushall() == 1
    assert neighbour.get("key") == 1
    assert sorted(server.keys()) == sorted([*before, b"t:~a:key"])


def test_a_prefix_in_the_settings_means_itself(server):
    server.set("xx~cache:key", 1)
    with override_settings(STREAM_EVENTS={**settings.STREAM_EVENTS, "KEY_PREFIX": "[x]*"}):
        cache = patient()
        cache.set("key", 2)
        assert cache.get_keys_by_pattern("*") == ["key"]
        assert cache.flushall() == 1
    assert server.keys() == [b"xx~cache:key"]


def test_what_another_program_keeps_there_in_another_form_stays(cache, server):
    server.xadd(f"{ROOT}stream", {"payload": "{}"})
    cache.set("key", 1)
    assert cache.get_keys_by_pattern("*") == ["key"]
    assert cache.flushall() == 1
    assert server.keys() == [f"{ROOT}stream".encode()]


@pytest.mark.parametrize("prefix", ["", None, 7, "relay:", "relay:default", "rel", "\ud800"], ids=repr)
def test_a_prefix_that_cannot_be_the_caches_own_is_refused(prefix):
    with pytest.raises(ConfigurationError, match=r"such as “cache:”"):
        RedisCache(prefix=prefix)


def test_no_stream_can_have_a_name_that_a_cache_uses():
    with pytest.raises(ConfigurationError, match="reserved"):
        StreamPublisher("~cache:key")
    assert stream_key("cache:key", "t:") != f"{ROOT}key"


# Where Redis is


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "http://somewhere"}, "cannot be used"),
        ({"url": True}, "is a string, got bool"),
        ({"decode_responses": False}, "leave decode_responses out"),
        ({"timeout": 0}, "seconds above 0"),
        ({"timeout": "1"}, "seconds above 0"),
    ],
    ids=str,
)
def test_arguments_that_cannot_work_are_refused_at_once(options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        RedisCache(**options)


def test_the_seeds_argument_is_taken(server):
    cache = patient(decode_responses=True)
    cache.set("key", "text")
    assert cache.get("key") == "text"


def test_settings_are_read_when_they_are_needed(server):
    cache = patient()
    with override_settings(STREAM_EVENTS={**settings.STREAM_EVENTS, "KEY_PREFIX": "u:"}):
        cache.set("key", 1)
    assert server.keys() == [b"u:~cache:key"]
    assert cache.exists("key") is False


def test_a_url_needs_no_django_settings(server):
    done = run_python(
        "from stream_events.cache import RedisCache\n"
        f"cache = RedisCache({settings.STREAM_EVENTS['URL']!r})\n"
        "cache.set('key', {'n': 1})\n"
        "print(cache.get('key'), cache.flushall())\n"
    )
    assert done.stdout == "{'n': 1} 1\n", done.stderr


def test_without_settings_and_url_it_is_the_default_url():
    done = run_python(
        "from stream_events.cache import RedisCache\n"
        "cache = RedisCache()\n"
        "from stream_events.connections import cache_client\n"
        "from stream_events.conf import settings_for\n"
        "print(cache_client(settings_for(), 1.0).connection_pool.connection_kwargs['host'])\n"
        "print(cache_client(settings_for(), 1.0) is cache_client(settings_for(), 1.0))\n"
    )
    assert done.stdout == "localhost\nTrue\n", done.stderr


def test_caches_of_one_url_share_a_client(server):
    url = settings.STREAM_EVENTS["URL"]
    client = cache_client(settings_for(), 1.0)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: cache_client(settings_for(url), 1.0), range(8))) == {client}
    assert cache_client(settings_for(), 2.0) is not client
    assert client.connection_pool.connection_kwargs["socket_timeout"] == 1.0


def test_threads_use_one_cache_at_once(cache):
    def count(number):
        cache.set(f"key{number}", number)
        return cache.get(f"key{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(200))) == list(range(200))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(cache):
    cache.set("key", "parent")
    child = os.fork()
    if child == 0:
        try:
            cache.set("child", cache.get("key"))
            os._exit(0)
        finally:
            os._exit(1)
    assert [cache.get("key") for _ in range(50)] == ["parent"] * 50
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get("child") == "parent"


def test_a_cache_can_be_pickled(cache):
    cache.set("key", 1)
    assert pickle.loads(pickle.dumps(cache)).get("key") == 1


def test_redis_that_cannot_be_reached_is_an_error_that_shows_no_password():
    cache = RedisCache(f"redis://user:secret@127.0.0.1:{free_port()}/0")
    for use in (lambda: cache.get("key"), lambda: cache.set("key", 1), cache.flushall):
        with pytest.raises(
            RedisUnavailableError, match=r"Redis at redis://127\.0\.0\.1:\d+/0 cannot be reached"
        ) as caught:
            use()
        assert "secret" not in str(caught.value)
        assert isinstance(caught.value, StreamEventsError)
        assert isinstance(caught.value.__cause__, redis.ConnectionError)


def test_a_server_that_hangs_is_an_error_and_one_that_returns_is_used_again(tmp_path):
    server = Server("valkey-9", tmp_path).start()
    try:
        cache = patient(server.url)
        cache.set("key", 1)
        server.pause()
        with pytest.raises(RedisUnavailableError, match="imeout"):
            RedisCache(server.url, timeout=0.3).get("key")
        server.go_on()
        assert cache.get("key") == 1
        server.kill()
        with pytest.raises(RedisUnavailableError):
            cache.get("key")
        server.start()
        assert cache.get("key") == 1
    finally:
        server.close()


def test_what_redis_refuses_is_redis_own_error(tmp_path):
    server = Server("valkey-9", tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction").start()
    try:
        with pytest.raises(redis.ResponseError, match="memory"):
            patient(server.url).set("key", 1)
    finally:
        server.close()


# Async


def test_each_method_has_an_async_twin(cache):
    names = {name for name in vars(RedisCache) if not name.startswith("_")}
    twins = {name for name in names if f"a{name}" in names}
    assert names == twins | {f"a{name}" for name in twins}
    for name in twins:
        twin = getattr(RedisCache, f"a{name}")
        assert asyncio.iscoroutinefunction(twin)
        assert twin.__doc__ == f"``{name}`` for async code."


def test_async_code_has_all_of_it(cache):
    async def use():
        await cache.aset("key", {"n": 1})
        await cache.astore_and_set_expire("other", 2, in_an_hour())
        assert await cache.aget("key") == {"n": 1}
        assert await cache.aget("none", default=3) == 3
        assert await cache.aset_key_expire_at("key", in_an_hour()) is True
        assert await cache.aexists("key") is True
        assert await cache.aget_keys_by_pattern("*") == ["key", "other"]
        assert await cache.adelete("key") is True
        assert await cache.adelete_keys_by_pattern("o*") == 1
        assert await cache.aflushall() == 0
        await asyncio.gather(*(cache.aset(f"key{number}", number) for number in range(50)))
        assert await asyncio.gather(*(cache.aget(f"key{number}") for number in range(50))) == list(range(50))

    asyncio.run(use())
