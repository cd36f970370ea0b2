"""Redis clients: every one in this package is made here.

Each purpose has a client of its own, because each wants another time limit, and none of them repeats a command
by itself: redis-py would send an XADD again whose reply was lost, and publish the event twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, parse_url
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from stream_events.conf import EMBEDDED, Settings, get_settings
from stream_events.embedded import EmbeddedConnection
from stream_events.exceptions import ConfigurationError
from stream_events.line import Line
from stream_events.locks import ForkSafeLock

UNAVAILABLE = (redis.ConnectionError, redis.TimeoutError)

_REPLY_MARGIN = 5.0  # seconds beyond BLOCK before a silent server counts as gone
_COMMAND_TIMEOUT = 5.0
_INSPECT_TIMEOUT = 2.0
_UNREADABLE = "(unreadable)"
_LATER = ("redis+sentinel", "rediss+sentinel", "sentinel", "redis+cluster", "rediss+cluster", "cluster")

_shared: dict[str, tuple[Settings, Any]] = {}
_mutex = ForkSafeLock()


def publishing_client() -> redis.Redis:
    """The client of requests; connecting, writing and each reply may take ``PUBLISH_TIMEOUT``."""
    return _shared_client("publish", lambda settings: settings.publish_timeout)


def publishing_line() -> Line:
    """What requests publish with: connecting, and all replies together, may take ``PUBLISH_TIMEOUT``."""
    return _shared_line("publish", lambda settings: settings.publish_timeout)


def relaying_client() -> redis.Redis:
    """The client of relays, which nobody waits for."""
    return _shared_client("relay", lambda _: _COMMAND_TIMEOUT)


def relaying_line() -> Line:
    """What relays publish with."""
    return _shared_line("relay", lambda _: _COMMAND_TIMEOUT)


def inspecting_client() -> redis.Redis:
    """The client of pages and commands; no step of it takes longer than two seconds."""
    return _shared_client("inspect", lambda settings: _INSPECT_TIMEOUT)


def cache_client(settings: Settings, timeout: float) -> redis.Redis:
    """The client of caches at ``settings.url``; no step takes longer than ``timeout`` seconds."""
    return _shared_client(f"cache {timeout} {settings.url}", lambda _: timeout, settings)


def reading_client(settings: Settings, name: str, block: float) -> redis.Redis:
    """A new client for reads that wait up to ``block`` seconds; the server knows its connections by ``name``."""
    return make_client(settings, timeout=block + _REPLY_MARGIN, client_name=name)


def command_client(settings: Settings) -> redis.Redis:
    """A new client for the short commands of one consumer."""
    return make_client(settings, timeout=_COMMAND_TIMEOUT)


def make_client(settings: Settings, *, timeout: float, client_name: str | None = None) -> redis.Redis:
    """A client for ``settings.url`` that waits ``timeout`` seconds for any one step, and returns bytes.

    Raises ``ConfigurationError`` when the URL or ``OPTIONS`` cannot be used. Connects with the first command, not
    here.
    """
    options = {
        "max_connections": 2**31,  # one for each thread that publishes; redis-py refuses the 101st
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        **settings.options,
        **parse(settings.url),
        "client_name": client_name,
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, _COMMAND_TIMEOUT),
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,  # one payload that is not UTF-8 must not stop a group
    }
    try:
        pool = ConnectionPool(**options)
        pool.connection_class(**pool.connection_kwargs)  # only makes the object
    except (AttributeError, TypeError, ValueError, redis.RedisError) as error:
        raise ConfigurationError(
            f"STREAM_EVENTS['OPTIONS'] or the query of the URL cannot be used: {error}"
        ) from error
    return redis.Redis(connection_pool=pool)


def make_line(settings: Settings, *, timeout: float) -> Line:
    """A line to ``settings.url``; raises as ``make_client`` does."""
    pool = make_client(settings, timeout=timeout).connection_pool
    return Line(lambda: pool.connection_class(**pool.connection_kwargs), timeout)


def parse(url: str) -> dict[str, Any]:
    """The connection arguments in ``url``; raises ``ConfigurationError`` that shows no password."""
    scheme = url.partition("://")[0]
    if scheme in _LATER:
        raise ConfigurationError(f"{scheme}:// is not supported yet; use a redis://, rediss:// or unix:// URL.")
    if url.startswith(EMBEDDED):
        folder = unquote(urlsplit(url).path)
        if not folder.startswith("/"):
            raise ConfigurationError("The URL is embedded:// or embedded:///an/absolute/folder.")
        return {"connection_class": EmbeddedConnection, "folder": Path(folder)}
    shown = safe_url(url)
    try:
        if shown == _UNREADABLE:
            raise ValueError
        return dict(parse_url(url))  # type: ignore[no-untyped-call]
    except ValueError:
        # What the parser says may quote a part of the password.
        raise ConfigurationError(
            f"The Redis URL {shown} cannot be used. Write redis://host:6379/0, rediss://host:6379/0,"
            " unix:///path/to/redis.sock or embedded://, and percent-encode special characters in a password."
        ) from None


def safe_url(url: str) -> str:
    """``url`` for people to read, without user name, password and query."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return _UNREADABLE
    # A password with an unescaped “/”, “?” or “#” ends up in another part of the URL.
    if "://" not in url or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return _UNREADABLE
    return f"{parts.scheme}://{host}{parts.path}"


def explain(error: BaseException) -> str:
    """What ``error`` says, in one line for people."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, redis.AuthenticationError):
        return f"the user or the password is wrong or missing ({text})"
    return text


def _shared_client(
    purpose: str, timeout: Callable[[Settings], float], settings: Settings | None = None
) -> redis.Redis:
    def make(settings: Settings) -> redis.Redis:
        return make_client(settings, timeout=timeout(settings))

    client: redis.Redis = _share(purpose, make, settings)
    return client


def _shared_line(purpose: str, timeout: Callable[[Settings], float]) -> Line:
    line: Line = _share(f"{purpose}-line", lambda settings: make_line(settings, timeout=timeout(settings)))
    return line


def _share(purpose: str, make: Callable[[Settings], Any], settings: Settings | None = None) -> Any:
    """What ``make`` has made for ``purpose`` of ``settings``, or of the present ones, once for all threads."""
    settings = settings or get_settings()
    known = _shared.get(purpose)
    if known is not None and _are_same(known[0], settings):
        return known[1]
    with _mutex:
        known = _shared.get(purpose)
        if known is None or not _are_same(known[0], settings):
            if known is not None:
                known[1].close()
            known = _shared[purpose] = (settings, make(settings))
    return known[1]


def _are_same(one: Settings, other: Settings) -> bool:
    return one is other or one == other  # comparing all of them takes longer than publishing can spare
