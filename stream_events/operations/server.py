"""What the server says of itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream_events.connections import inspecting_client


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """``version`` begins with the server's name; memory is in bytes, ``max_memory`` 0 where there is no limit.

    ``latency`` is how long a PING took, in milliseconds.
    """

    version: str
    used_memory: int
    max_memory: int
    latency: float


def server_version() -> str:
    """Name and version of the server; Valkey reports its own beside the Redis version it is compatible with."""
    return _version(inspecting_client().info("server"))


def server_facts() -> ServerFacts:
    """What a page says of the server, in two round trips."""
    client = inspecting_client()
    pipeline = client.pipeline(transaction=False)
    pipeline.info("server")
    pipeline.info("memory")
    server, memory = pipeline.execute()
    start = time.perf_counter()
    client.ping()
    return ServerFacts(
        version=_version(server),
        used_memory=int(memory.get("used_memory", 0)),
        max_memory=int(memory.get("maxmemory", 0)),
        latency=(time.perf_counter() - start) * 1000,
    )


def _version(info: Mapping[str, Any]) -> str:
    name = str(info.get("server_name", "redis"))
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"
