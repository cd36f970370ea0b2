"""How long each look at millions of entries takes, and the server's part of it: ``python -m benchmarks.pages``."""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import django
import redis
from django.conf import settings

from tests.faults.servers import Server

LIMIT = 300.0  # milliseconds that a page may take
SLOWEST = 20.0  # milliseconds that one command may take on the server

Look = Callable[[], Any]

COMMANDS = (
    "status",
    "groups orders",
    "consumers orders",
    "pending orders billing",
    "letters orders billing",
    "entries orders",
)


class Figures(NamedTuple):
    """What one look took: milliseconds, those of this process, commands, and the slowest of them on the server."""

    time: float
    most: float
    own: float
    commands: int
    slowest: float
    name: str  # of the slowest command


def measure(client: redis.Redis, look: Look, rounds: int) -> Figures:
    """The median and the most of ``rounds``; a command is as slow as in the round that disturbed it least."""
    times, own, slowest, commands = [], [], [], 0
    for _ in range(rounds):
        client.slowlog_reset()
        client.config_resetstat()
        start, start_own = perf_counter(), process_time()
        look()
        times.append((perf_counter() - start) * 1000)
        own.append((process_time() - start_own) * 1000)
        statistics = client.info("commandstats")
        commands = sum(one["calls"] for name, one in statistics.items() if "config" not in name)
        slowest.append(_slowest(client))
    return Figures(median(times), max(times), median(own), commands, *min(slowest))


def _slowest(client: redis.Redis) -> tuple[float, str]:
    ours = (b"CONFIG", b"SLOWLOG", b"INFO")
    entries = [one for one in client.slowlog_get(-1) if not one["command"].startswith(ours)]
    return max(((one["duration"] / 1000, one["command"].split()[0].decode()) for one in entries), default=(0.0, "-"))


def report(client: redis.Redis, looks: dict[str, Look], rounds: int) -> bool:
    """Print the table; whether every look is quick enough."""
    print(f"\n{'':42}{'ms':>8}{'most':>8}{'own':>8}{'commands':>10}   slowest command, ms")
    met = True
    for name, look in looks.items():
        look()
        figures = measure(client, look, rounds)
        is_met = figures.time < LIMIT and figures.slowest < SLOWEST
        met = met and is_met
        row = f"{figures.time:8.1f}{figures.most:8.1f}{figures.own:8.1f}{figures.commands:10}{figures.slowest:8.2f}"
        print(f"{name:42}{row} {figures.name}{'' if is_met else '   missed'}", flush=True)
    return met


def _pages() -> dict[str, Look]:
    """The pages of the admin as its superuser gets them."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from tests.admin.big_pages import pages

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return {name: partial(_get, name, look) for name, look in pages(client).items()}


def _get(name: str, look: Look) -> None:
    status = look().status_code
    if status != 200:
        raise SystemExit(f"{name}: {status}")


def _commands() -> dict[str, Look]:
    """The verbs of ``manage.py streams`` that look."""
    from django.core.management import call_command

    return {
        f"streams {one}": partial(call_command, "streams", *one.split(), stdout=io.StringIO(), stderr=io.StringIO())
        for one in COMMANDS
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--entries", type=int, default=5_000_000)
    parser.add_argument("--pending", type=int, default=1_000_000, help="of them; a multiple of 1000, 600000 at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", default="valkey-9", help="valkey-9, redis-7.0, redis-6.2 or redis-8")
    options = parser.parse_args()
    if options.pending % 1000 or not 600_000 <= options.pending <= options.entries or options.rounds < 1:
        parser.error("--pending is a multiple of 1000, at least 600000, and no more than --entries")
    return options


def _set_up(url: str) -> None:
    """The project of the tests, with one more group and databases in memory."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    settings.STREAM_EVENTS = {"URL": url, "KEY_PREFIX": "t:"}
    settings.ALLOWED_HOSTS = ["testserver"]
    django.setup()
    from django.test.utils import setup_databases

    from stream_events.registry import handlers

    setup_databases(verbosity=0, interactive=False)
    handlers.register(print, stream="orders", group="billing")


def _build(client: redis.Redis, options: argparse.Namespace) -> None:
    from tests.operations.big_stream import build, remember

    start = perf_counter()
    build(client, options.entries, options.pending)
    keys = remember(client, options.entries, options.pending)
    history = sum(client.memory_usage(key) for key in keys)
    memory = client.info("memory")["used_memory"] / 1e6
    print(f"{options.server}: {options.entries:,} entries, {options.pending:,} of them pending, {memory:,.0f} MB,")
    print(f"made in {perf_counter() - start:.0f} s; {history / 1000:.0f} kB of them are 90 days of history")


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(options.server, folder / "redis", "--appendonly", "no", "--slowlog-log-slower-than", "0")
        stack.callback(server.close)
        server.start()
        _set_up(server.url)
        from tests.operations.big_stream import looks

        _build(server.client, options)
        server.client.config_set("slowlog-max-len", 100_000)
        found = [report(server.client, some, options.rounds) for some in (looks(), _pages(), _commands())]
        return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
