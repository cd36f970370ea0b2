"""The processes of ``runconsumer --workers`` and ``--all``: which ones there are, and how they run together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from django.core.management.base import CommandError
from django.utils.autoreload import get_child_arguments

from stream_events import health
from stream_events.arguments import positive_int
from stream_events.consuming import Consumer
from stream_events.consuming.stopping import stop_on_signals
from stream_events.consuming.supervisor import Supervisor
from stream_events.exceptions import ConfigurationError
from stream_events.management import reloader
from stream_events.management.exit_codes import PARTIAL, USAGE
from stream_events.management.logs import logging_to
from stream_events.registry import handlers

WORKER_MAX_AGE = 10.0  # seconds after which a worker that has not touched its health file is no longer well

Names = tuple[str, str]  # a stream and a group


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which processes there are."""
    parser.add_argument(
        "--all",
        action="store_true",
        help="run every registered group of every stream, each in a process of its own; what crashes is started again",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=1,
        metavar="N",
        help="processes for each group; what crashes is started again",
    )
    for option, text in (("only", "run no others than these"), ("except", "do not run these")):
        parser.add_argument(
            f"--{option}",
            nargs="+",
            action="extend",
            default=[],
            metavar="PATTERN",
            help=f"with --all, {text}: STREAM or STREAM:GROUP, in which * and ? stand for other characters",
        )


def check_usage(options: dict[str, Any]) -> None:
    """Raise ``CommandError`` for options that do not belong together."""
    if options["all"] and (options["stream"] or options["no_group"]):
        raise CommandError(
            "--all takes no STREAM, and runs groups only; choose with --only and --except.", returncode=USAGE
        )
    if not options["all"] and (options["only"] or options["except"]):
        raise CommandError("--only and --except choose what --all runs.", returncode=USAGE)
    if not options["all"] and not options["stream"]:
        raise CommandError("Give STREAM and GROUP, or --all for all that is registered.", returncode=USAGE)


def choose(options: dict[str, Any]) -> list[Names]:
    """Each stream and group that the command line asks for.

    Raises ``ConfigurationError`` when nothing is registered that it could mean.
    """
    if not options["all"]:
        return [(options["stream"], options["group"])]
    handlers.refuse_problems()
    return _select(options["only"], options["except"])


def run(consumers: Sequence[Consumer], options: dict[str, Any], stderr: Any) -> int:
    """Run each consumer in ``--workers`` processes until all have ended; returns the exit code."""
    supervisor = Supervisor(_commands(consumers, options), _labels(consumers, options))

    def are_alive() -> bool:
        return not any(
            health.problem(_health_file(options, number), WORKER_MAX_AGE) for number in supervisor.unfinished()
        )

    code_changed = reloader.watch(supervisor.stop) if reloader.is_child() else lambda: False
    with (
        logging_to(stderr, options["verbosity"]),
        health.beating(options["health_file"], are_alive),
        stop_on_signals(supervisor.stop, at_once=supervisor.stop),
    ):
        code = supervisor.run()
    if code == PARTIAL and options["workers"] > 1 and not any(consumer.left() for consumer in consumers):
        code = 0  # what one of them left was in the hand of another
    return reloader.RELOAD if code_changed() else code


def _select(only: Sequence[str], excluded: Sequence[str]) -> list[Names]:
    registered = handlers.groups()
    if not registered:
        raise ConfigurationError(
            "No handler is registered. Call handlers.register() in an apps.py, or write a stream_handlers.py, and see"
            " that the app is in INSTALLED_APPS."
        )
    for pattern in (*only, *excluded):
        if not any(_matches(names, pattern) for names in registered):
            raise ConfigurationError(_nothing_matches(pattern, registered))
    chosen = [names for names in registered if not only or any(_matches(names, pattern) for pattern in only)]
    chosen = [names for names in chosen if not any(_matches(names, pattern) for pattern in excluded)]
    if not chosen:
        raise ConfigurationError(f"--only and --except leave nothing to run.\n{_listing(registered)}")
    return chosen


def _matches(names: Names, pattern: str) -> bool:
    return fnmatchcase(names[0], pattern) or fnmatchcase(":".join(names), pattern)


def _nothing_matches(pattern: str, registered: Sequence[Names]) -> str:
    known = [*(":".join(names) for names in registered), *dict(registered)]
    close = get_close_matches(pattern, known, n=1, cutoff=0.5)
    guess = f" Did you mean: {close[0]}?" if close else ""
    return f"No handler is registered for {pattern!r}, read as STREAM or STREAM:GROUP.{guess}\n{_listing(registered)}"


def _listing(registered: Sequence[Names]) -> str:
    return "\n".join(["Registered:", *(f"  {':'.join(names)}" for names in registered)])


def _commands(consumers: Sequence[Consumer], options: dict[str, Any]) -> list[list[str]]:
    """This command for each process, with one group and one worker."""
    own = argparse.ArgumentParser(add_help=False)
    add_arguments(own)
    _, rest = own.parse_known_args(get_child_arguments())
    commands: list[list[str]] = []
    for consumer in consumers:
        names = [consumer.stream, consumer.group] if options["all"] else []
        for _ in range(options["workers"]):
            command = [*rest, "--workers", "1", "--no-reload"]
            if options["metrics_port"]:
                command += ["--metrics-port", str(options["metrics_port"] + len(commands))]
            if options["health_file"]:
                command += ["--health-file", _health_file(options, len(commands) + 1)]
            commands.append([*command, *names])
    return commands


def _health_file(options: dict[str, Any], number: int) -> str:
    return f"{options['health_file']}.{number}"


def _labels(consumers: Sequence[Consumer], options: dict[str, Any]) -> list[str]:
    """What stands before the lines of each process, where there are several groups."""
    if not options["all"]:
        return []
    numbers = [f"#{number}" for number in range(1, options["workers"] + 1)] if options["workers"] > 1 else [""]
    labels = [f"{consumer.stream}:{consumer.group}{number}" for consumer in consumers for number in numbers]
    width = max(map(len, labels))
    return [f"{label:<{width}} | " for label in labels]
