"""Where a client finds its server, as URLs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from stream_events.arguments import HIGHEST_PORT
from stream_events.exceptions import ConfigurationError

HOST = "localhost"
PORT = 6379
KEYS = ("host", "port", "db", "username", "password")  # of a server's configuration; or else “url” alone


def server_url(host: str = HOST, port: int = PORT, *, db: int = 0, username: str = "", password: str = "") -> str:
    """The URL of the server at ``host`` and ``port``; raises ``ConfigurationError`` for values that cannot be."""
    if not isinstance(host, str) or not host or any(one in host for one in "/@?#[] "):
        raise ConfigurationError(f"A server is the name or the address of a host, got {host!r}; for more, give a URL.")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= HIGHEST_PORT:
        raise ConfigurationError(f"A port is a whole number from 1 to {HIGHEST_PORT}, got {port!r}.")
    if isinstance(db, bool) or not isinstance(db, int) or db < 0:
        raise ConfigurationError(f"db is the number of a database, got {db!r}.")
    who = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username or password else ""
    return f"redis://{who}{f'[{host}]' if ':' in host else host}:{port}/{db}"


def one_url(url: str | None, host: str, port: int) -> str:
    """``url``, or that of ``host`` and ``port``; raises ``ConfigurationError`` when both are given."""
    if url is None:
        return server_url(host, port)
    if (host, port) != (HOST, PORT):
        raise ConfigurationError("Give either a URL or a server and a port.")
    return url


def given_url(options: argparse.Namespace) -> str | None:
    """What ``--url``, or ``--server`` and ``--port`` say; None when none of them is given.

    Raises ``ConfigurationError`` when both are.
    """
    given: dict[str, Any] = {"host": options.server, "port": options.port}
    given = {name: value for name, value in given.items() if value is not None}
    if options.url is not None and given:
        raise ConfigurationError("Give either --url, or --server and --port.")
    return server_url(**given) if given else options.url


def configured_url(configuration: Mapping[str, Any] | None) -> str:
    """The URL of a server's ``configuration``, a mapping with ``url``, or with some of ``KEYS``.

    Raises ``ConfigurationError`` for other keys, and for values that cannot be.
    """
    values = dict(configuration or {})
    if unknown := [key for key in values if key not in ("url", *KEYS)]:
        raise ConfigurationError(f"server_config knows no {unknown[0]!r}; its keys are url, or {', '.join(KEYS)}.")
    if "url" not in values:
        return server_url(**{key: value for key, value in values.items() if value is not None})
    if len(values) > 1:
        raise ConfigurationError("server_config has url and other keys; put all of it into the URL.")
    return str(values["url"])
