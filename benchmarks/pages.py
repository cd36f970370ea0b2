"""How long each look at millions of entries takes, and the server's part of it: ``python -m benchmarks.pages``."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import django
import redis
from django.conf import settings

from tests.faults.servers import Server

LIMIT = 300.0  # milliseconds that a page may take
SLOWEST = 20.0  # milliseconds that one command may take on the server


class Figures(NamedTuple):
    """What one look took: milliseconds, commands, and the milliseconds of the slowest of them on the server."""

    time: float
    most: float
    commands: int
    slowest: float


def measure(client: redis.Redis, look: Callable[[], Any], rounds: int) -> Figures:
    """The median and the most of ``rounds``; a command is as slow as in the round that disturbed it least."""
    times, slowest, commands = [], [], 0
    for _ in range(rounds):
        client.slowlog_reset()
        client.config_resetstat()
        start = perf_counter()
        look()
        times.append((perf_counter() - start) * 1000)
        statistics = client.info("commandstats")
        commands = sum(one["calls"] for name, one in statistics.items() if "config" not in name)
        entries = [one for one in client.slowlog_get(-1) if not one["command"].startswith((b"CONFIG", b"SLOWLOG"))]
        slowest.append(max((one["duration"] for one in entries), default=0) / 1000)
    return Figures(median(times), max(times), commands, min(slowest))


def report(client: redis.Redis, looks: dict[str, Callable[[], Any]], rounds: int) -> bool:
    """Print the table; whether every look is quick enough."""
    print(f"{'':42}{'ms':>8}{'most':>8}{'commands':>10}{'slowest command, ms':>22}")
    met = True
    for name, look in looks.items():
        look()
        figures = measure(client, look, rounds)
        is_met = figures.time < LIMIT and figures.slowest < SLOWEST
        met = met and is_met
        row = f"{figures.time:8.1f}{figures.most:8.1f}{figures.commands:10}{figures.slowest:22.2f}"
        print(f"{name:42}{row}{'' if is_met else '   missed'}")
    return met


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--entries", type=int, default=5_000_000)
    parser.add_argument("--pending", type=int, default=1_000_000, help="of them; a multiple of 1000, 100000 at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", default="valkey-9", help="valkey-9, redis-7.0, redis-6.2 or redis-8")
    options = parser.parse_args()
    if options.pending % 1000 or not 100_000 <= options.pending <= options.entries or options.rounds < 1:
        parser.error("--pending is a multiple of 1000, at least 100000, and no more than --entries")
    return options


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(options.server, folder / "redis", "--appendonly", "no", "--slowlog-log-slower-than", "0")
        stack.callback(server.close)
        server.start()
        settings.configure(
            INSTALLED_APPS=["stream_events"],
            USE_TZ=True,
            STREAM_EVENTS={"URL": server.url, "KEY_PREFIX": "t:"},
        )
        django.setup()
        from tests.operations.big_stream import build, looks

        start = perf_counter()
        build(server.client, options.entries, options.pending)
        memory = server.client.info("memory")["used_memory"] / 1e6
        print(f"{options.server}: {options.entries:,} entries, {options.pending:,} of them pending, {memory:,.0f} MB,")
        print(f"made in {perf_counter() - start:.0f} s")
        server.client.config_set("slowlog-max-len", 100_000)
        return 0 if report(server.client, looks(), options.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
