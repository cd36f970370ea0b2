import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.test import override_settings

from stream_events.conf import Settings, get_settings
from stream_events.connections import (
    command_client,
    explain,
    inspecting_client,
    make_client,
    parse,
    publishing_client,
    reading_client,
    safe_url,
)
from stream_events.exceptions import ConfigurationError


def connection_arguments(client):
    return client.connection_pool.connection_kwargs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:pw@cache:6380/2", {"host": "cache", "port": 6380, "db": 2, "password": "pw"}),
        ("unix:///run/redis.sock?db=1", {"path": "/run/redis.sock", "db": 1}),
    ],
)
def test_urls_say_where_redis_is(url, expected):
    arguments = connection_arguments(make_client(Settings(url=url), timeout=1))
    assert expected.items() <= arguments.items()


def test_rediss_means_tls():
    pool = make_client(Settings(url="rediss://cache"), timeout=1).connection_pool
    assert pool.connection_class is redis.SSLConnection


@pytest.mark.parametrize("scheme", ["redis+sentinel", "redis+cluster", "sentinel"])
def test_topologies_to_come_say_so(scheme):
    with pytest.raises(ConfigurationError, match="not supported yet"):
        parse(f"{scheme}://:secret@host/0")


@pytest.mark.parametrize(
    "url",
    [
        "http://u:secret@host",
        "cache:6379",
        "embedded://folder",
        "redis://:secret@h?db=x",
        "redis://:secret#x@host",
        "redis://:12/secret@host/0",
    ],
)
def test_a_url_that_cannot_be_used_says_what_to_write_and_shows_no_password(url):
    with pytest.raises(ConfigurationError, match="embedded://") as caught:
        parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pw@cache:6379/0?password=x", "redis://cache:6379/0"),
        ("unix:///run/redis.sock?password=x", "unix:///run/redis.sock"),
        ("redis://[bad", "(unreadable)"),
        ("redis://:12/secret@host/0", "(unreadable)"),
        ("redis://:secret#x@host", "(unreadable)"),
        ("secret", "(unreadable)"),
    ],
)
def test_what_people_see_of_a_url_holds_no_credentials(url, shown):
    assert safe_url(url) == shown


def test_no_client_repeats_a_command_or_decodes_replies_whatever_the_options_say():
    options = {"decode_responses": True, "socket_timeout": 99, "retry_on_timeout": True}
    url = "redis://cache?socket_timeout=77&decode_responses=yes"
    arguments = connection_arguments(make_client(Settings(url=url, options=options), timeout=1.5))
    assert arguments["decode_responses"] is False
    assert arguments["socket_timeout"] == 1.5
    assert arguments["retry"].get_retries() == 0


@override_settings(STREAM_EVENTS={"PUBLISH_TIMEOUT": 0.125})
def test_each_purpose_has_its_own_time_limit():
    assert connection_arguments(publishing_client())["socket_timeout"] == 0.125
    assert connection_arguments(publishing_client())["socket_connect_timeout"] == 0.125
    assert connection_arguments(reading_client(get_settings(), "me", 7.0))["socket_timeout"] == 12.0
    assert connection_arguments(reading_client(get_settings(), "me", 7.0))["client_name"] == "me"
    assert connection_arguments(command_client(get_settings()))["socket_timeout"] == 5.0
    assert connection_arguments(inspecting_client())["socket_timeout"] == 2.0


def test_shared_clients_are_kept_until_settings_change():
    client = publishing_client()
    assert publishing_client() is client
    with override_settings(STREAM_EVENTS={"URL": "redis://elsewhere"}):
        assert publishing_client() is not client


def test_threads_that_ask_at_once_share_one_client():
    with override_settings(STREAM_EVENTS={"URL": "redis://shared"}), ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: publishing_client(), range(8)))) == 1


def test_a_command_whose_reply_is_lost_is_sent_once():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        received = []

        def silent_server():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                while data := connection.recv(65536):
                    received.append(data)
                    if b"HELLO" in data:
                        connection.sendall(b"%1\r\n$5\r\nproto\r\n:3\r\n")
                    elif b"SETINFO" in data:
                        connection.sendall(b"+OK\r\n")

        thread = threading.Thread(target=silent_server)
        thread.start()
        settings = Settings(url=f"redis://127.0.0.1:{listener.getsockname()[1]}")
        client = make_client(settings, timeout=0.2)
        started = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            client.xadd("orders", {"payload": "{}"})
        assert time.monotonic() - started < 4  # redis-py's own defaults would take most of a minute
        client.close()
        thread.join()
    assert b"".join(received).count(b"XADD") == 1


def test_a_server_that_wants_a_password_says_so(server):
    server.config_set("requirepass", "s3cret")
    try:
        with (
            make_client(get_settings(), timeout=5) as client,
            pytest.raises(redis.AuthenticationError) as caught,
        ):
            client.ping()
    finally:
        server.config_set("requirepass", "")
    assert explain(caught.value).startswith("the user or the password is wrong or missing (")
