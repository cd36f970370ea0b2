"""What publishing adds to ``Model.save()``, beside the same saves without it: ``python -m benchmarks.saves``."""

import argparse
import cProfile
import gc
import json
import os
import pstats
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import django
import redis
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models.signals import post_save

from benchmarks.databases import NAMES, database
from tests.faults.servers import Server

# What listens to the saves, and the model that it listens to; in models.py they are the same but for that.
ROWS = {
    "none": "Unobserved",
    "receiver": "Observed",
    "xadd": "Appended",
    "commit": "Published",
    "outbox": "Stored",
}
LEAVE_AS = {"xadd": "entries", "commit": "entries", "outbox": "outbox rows"}
ALONE, ONE, HUNDRED = "autocommit", "1/transaction", "100/transaction"
SHAPES = {ALONE: 0, ONE: 1, HUNDRED: 100}
WARM_UP = 100  # saves before those that are measured, because emptying the tables leaves cold caches


class Target(NamedTuple):
    """Microseconds that a save may cost more, by database, and how much of what one XADD per save costs."""

    sqlite: float
    postgresql: float
    share: float | None = None


TARGETS = {
    ("commit", ONE): Target(40, 40, 0.8),
    ("commit", HUNDRED): Target(10, 10, 0.2),
    ("outbox", ONE): Target(25, 60),
    ("outbox", HUNDRED): Target(25, 60),
}

Samples = dict[tuple[str, str, str], list[float]]  # µs per save of each round, by database, shape and row


class Saves:
    """``count`` saves of one row, which begin with empty tables and an empty stream."""

    def __init__(self, client: redis.Redis, count: int) -> None:
        self.client = client
        self.count = count
        self.outbox: Any = apps.get_model("stream_events", "OutboxEvent")
        known = {model.__name__: model for model in apps.get_app_config("benchmarks").get_models()}
        self.models: dict[str, Any] = {row: known[name] for row, name in ROWS.items()}
        post_save.connect(self._do_nothing, sender=self.models["receiver"])
        post_save.connect(self._append, sender=self.models["xadd"])

    def run(self, alias: str, shape: str, row: str, measure: Callable[[Callable[[], None]], float]) -> float:
        """What ``measure`` says of the saves; ends the program unless they published what they should."""
        model = self.models[row]
        self._empty(alias, model)
        gc.collect()
        gc.disable()
        _save(model, alias, WARM_UP, SHAPES[shape])
        answer = measure(lambda: _save(model, alias, self.count, SHAPES[shape]))
        gc.enable()
        found = {"entries": self.client.xlen("bench"), "outbox rows": self.outbox.objects.using(alias).count()}
        if found != {kind: (WARM_UP + self.count) * (kind == LEAVE_AS.get(row)) for kind in found}:
            sys.exit(f"{alias}, {shape}, {row}: after {WARM_UP + self.count} saves there are {found}")
        return answer

    def _empty(self, alias: str, model: Any) -> None:
        connection = connections[alias]
        with connection.cursor() as cursor:
            for one in (model, self.outbox):
                verb = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
                cursor.execute(f"{verb} {one._meta.db_table}")
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.client.xtrim("bench", maxlen=0, approximate=False)

    def _do_nothing(self, **_: Any) -> None:
        pass

    def _append(self, *, instance: Any, created: bool, **_: Any) -> None:
        payload = {
            "obj_id": instance.pk,
            "obj_type": "benchmarks.appended",
            "action": "create" if created else "update",
            "data": {"number": instance.number, "status": instance.status},
        }
        self.client.xadd("bench", {"payload": json.dumps(payload)})


def _save(model: Any, alias: str, count: int, per_transaction: int) -> None:
    if not per_transaction:
        for number in range(count):
            model(number=str(number), status="new").save(using=alias)
        return
    for first in range(0, count, per_transaction):
        with transaction.atomic(using=alias):
            for number in range(first, first + per_transaction):
                model(number=str(number), status="new").save(using=alias)


def _seconds(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _profile(work: Callable[[], None]) -> float:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    statistics = pstats.Stats(profiler).strip_dirs().sort_stats("tottime")
    statistics.print_stats(25)
    return statistics.total_tt


def measure(saves: Saves, rounds: int) -> Samples:
    """Every row once in each round, each time beginning with another; the first round is thrown away."""
    samples: Samples = defaultdict(list)
    rows = list(saves.models)
    for turn in range(rounds + 1):
        for alias in connections:
            for shape in SHAPES:
                for row in rows[turn % len(rows) :] + rows[: turn % len(rows)]:
                    seconds = saves.run(alias, shape, row, _seconds)
                    if turn:
                        samples[connections[alias].vendor, shape, row].append(seconds / saves.count * 1e6)
    return samples


def report(samples: Samples) -> bool:
    """Print the table; whether every target is met."""
    print(f"{'':27}{'row':<10}{'µs':>8}{'min':>8}{'max':>8}{'÷ xadd':>10}{'min':>7}{'max':>7}")
    met = True
    for vendor, shape in dict.fromkeys(key[:2] for key in samples):
        base = samples[vendor, shape, "none"]
        print(f"{vendor:<11}{shape:<16}{'save':<10}{_spread(base, 8, 1)}")
        added = {
            row: [with_row - alone for with_row, alone in zip(samples[vendor, shape, row], base, strict=True)]
            for row in ROWS
            if row != "none" and (vendor, shape, row) in samples
        }
        for row, times in added.items():
            shares = [time / xadd for time, xadd in zip(times, added["xadd"], strict=True)]
            verdicts = _verdicts(TARGETS.get((row, shape)), vendor, median(times), median(shares))
            met = met and all(verdicts.values())
            said = "; ".join(f"{text}: {'met' if good else 'missed'}" for text, good in verdicts.items())
            print(f"{'':27}+ {row:<8}{_spread(times, 8, 1)}   {_spread(shares, 7, 2)}   {said}".rstrip())
    return met


def _spread(values: list[float], width: int, digits: int) -> str:
    return "".join(f"{value:{width}.{digits}f}" for value in (median(values), min(values), max(values)))


def _verdicts(target: Target | None, vendor: str, added: float, share: float) -> dict[str, bool]:
    if target is None:
        return {}
    limit: float = getattr(target, vendor)
    verdicts = {f"target ≤ {limit} µs": added <= limit}
    if target.share is not None:
        verdicts[f"target ≤ {target.share} × xadd"] = share <= target.share
    return verdicts


def profile(saves: Saves, row: str) -> None:
    """Print where the time of ``row`` goes; what it needs once is not in it."""
    for alias in connections:
        for shape in SHAPES:
            saves.run(alias, shape, row, _seconds)
            print(f"{connections[alias].vendor}, {shape}, {row}: {saves.count} saves")
            saves.run(alias, shape, row, _profile)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saves", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--saves", type=int, default=200, help="of each row in a round; a multiple of 100")
    parser.add_argument("--database", choices=[*NAMES, "both"], default="both")
    parser.add_argument("--spread", action="store_true", help="over all CPUs; otherwise all processes share one")
    parser.add_argument("--profile", choices=ROWS, metavar="ROW", help=f"where its time goes: {', '.join(ROWS)}")
    options = parser.parse_args()
    if options.saves % 100 or options.saves < 100 or options.rounds < 1:
        parser.error("--saves is a multiple of 100, and there is at least one round")
    return options


def _configure(names: Sequence[str], folder: Path, stack: ExitStack) -> redis.Redis:
    """Django and its databases, the first of them as the default one, and a client of the Redis server."""
    server = Server("valkey-9", folder / "redis", "--appendonly", "no")
    stack.callback(server.close)
    server.start()
    settings.configure(
        DATABASES={name if at else "default": database(name, folder, stack) for at, name in enumerate(names)},
        INSTALLED_APPS=["stream_events", "benchmarks"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        STREAM_EVENTS={"URL": server.url, "PUBLISH_TIMEOUT": 5},
    )
    django.setup()
    stack.callback(connections.close_all)
    for alias in connections:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    return server.client


def main() -> int:
    options = _options()
    if hasattr(os, "sched_setaffinity") and not options.spread:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        client = _configure(NAMES if options.database == "both" else [options.database], folder, stack)
        saves = Saves(client, options.saves)
        if options.profile:
            profile(saves, options.profile)
            return 0
        return 0 if report(measure(saves, options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
