"""``manage.py runconsumer STREAM [GROUP]``, or ``--all``: handle the events of a stream until told to stop."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import platform
import sys
from typing import Any, NoReturn

import django
import redis
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from stream_events.arguments import port, positive_int, seconds
from stream_events.conf import get_settings, is_debug, settings_module
from stream_events.connections import safe_url
from stream_events.consuming import Consumer
from stream_events.consuming.lifeline import plays, when_parent_is_gone
from stream_events.consuming.options import MOST_LANES, Report
from stream_events.consuming.stopping import interrupt, stop_on_signals
from stream_events.consuming.supervisor import ROLE
from stream_events.consuming.tail import Tail
from stream_events.exceptions import HandlerTimeoutError
from stream_events.health import add_health_file, beating
from stream_events.management import fleet, regular, reloader
from stream_events.management.checked import CheckedCommand
from stream_events.management.exit_codes import ABORTED, PARTIAL
from stream_events.management.logs import logging_to
from stream_events.operations import metrics
from stream_events.operations.inspection import group_state, server_version
from stream_events.version import VERSION

# Options of the command that are the consumer's as they are.
PASSED_ON = (
    "consumer",
    "count",
    "block",
    "create_from",
    "drain",
    "max_events",
    "max_seconds",
    "shutdown_timeout",
    "threads",
)


class Command(CheckedCommand):
    help = (
        "Handles the events of STREAM with the handlers registered for GROUP, or with --no-group those registered for"
        " no group, until told to stop."
    )

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        """Let options stand between STREAM and GROUP: both may be left out, and so Python takes them only together."""
        parser = super().create_parser(*args, **options)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stream", nargs="?", help="as in StreamPublisher(...) and handlers.register(stream=...)")
        parser.add_argument("group", nargs="?", help="as in handlers.register(group=...)")
        fleet.add_arguments(parser)
        regular.add_arguments(parser)
        _add_reading(parser)
        _add_ending(parser)
        _add_watching(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(options)
        except HandlerTimeoutError as error:
            self._abandon(error)
        except KeyboardInterrupt:
            fate = "comes again" if options["no_group"] else "stays pending"
            raise CommandError(f"Stopped at once; what was in hand {fate}.", returncode=ABORTED) from None

    def _run(self, options: dict[str, Any]) -> None:
        fleet.check_usage(options)
        regular.check_usage(options)
        # Made before the reloader or the workers start as well, because they would only repeat what is wrong with it.
        if options["no_group"]:
            tail, consumers = regular.make_tail(options), []
        else:
            tail, consumers = None, [self._make_consumer(*names, options) for names in fleet.choose(options)]
        if _wants_reload(options) and not reloader.is_child():
            sys.exit(reloader.run_children())
        if tail or (options["workers"] == 1 and not options["all"]):
            self._consume(tail or consumers[0], options)
        elif code := fleet.run(consumers, options, self.stderr):
            sys.exit(code)

    def _make_consumer(self, stream: str, group: str, options: dict[str, Any]) -> Consumer:
        return Consumer(
            stream,
            group,
            abandon=self._abandon,
            **{name: options[name] for name in PASSED_ON},
        )

    def _consume(self, consumer: Consumer | Tail, options: dict[str, Any]) -> None:
        if plays(ROLE):
            when_parent_is_gone(consumer.stop)
        code_changed = reloader.watch(consumer.stop) if reloader.is_child() else lambda: False
        with contextlib.suppress(DatabaseError):  # a database that is away now may be back for the first event
            self.check_migrations()
        with (
            metrics.serve(options["metrics_port"]),
            logging_to(self.stderr, options["verbosity"]),
            beating(options["health_file"], consumer.is_alive),
            stop_on_signals(consumer.stop, at_once=interrupt),
        ):
            is_new = consumer.join()
            if consumer.joined and options["verbosity"] > 0:
                self._banner(consumer, is_new)
            report = consumer.run()
        if code_changed():
            sys.exit(reloader.RELOAD)
        if isinstance(report, Report) and report.left:
            raise CommandError(
                f"Still pending in the group: {report.left}. They wait for a retry, or other consumers hold them.",
                returncode=PARTIAL,
            )

    def _abandon(self, error: BaseException) -> NoReturn:
        """End the process although a handler runs: a thread cannot be ended in any other way."""
        self.stderr.write(f"CommandError: {error}")
        self.stderr.flush()
        self.stdout.flush()
        logging.shutdown()
        os._exit(1)

    def _banner(self, consumer: Consumer | Tail, is_new: bool) -> None:
        """Say what runs where, once Redis has answered."""
        server = "?"
        with contextlib.suppress(redis.RedisError):
            server = server_version()
        version = f"stream_events {VERSION} · Django {django.get_version()} · Python {platform.python_version()}"
        lines = [
            f"{version} · settings {settings_module()}",
            f"  redis     {safe_url(get_settings().url)} ({server})",
            f"  consumer  {consumer.name}",
            regular.description(consumer, is_new) if isinstance(consumer, Tail) else _description(consumer, is_new),
            *(f"    {handler.name}" for handler in consumer.handlers),
            "Consuming. Quit with CONTROL-C.",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _add_reading(parser: CommandParser) -> None:
    add = parser.add_argument
    add("--consumer", default="", metavar="PREFIX", help="beginning of the consumer's name (default: the host)")
    add(
        "--threads",
        type=positive_int,
        default=1,
        metavar="N",
        help=f"lanes in each process, {MOST_LANES} at most; events of one object stay in order (default: 1)",
    )
    add("--count", type=positive_int, metavar="N", help="entries per read, at most (setting COUNT)")
    add("--block", type=seconds, metavar="S", help="seconds that one read waits (setting BLOCK)")
    add(
        "--create-from",
        metavar="earliest|latest|ID",
        help="where a group that does not exist yet begins (default: earliest); an existing one is never moved."
        " Needed to make a group again that an operator has deleted. With --no-group: where reading begins if the"
        " position remembers nothing",
    )


def _add_ending(parser: CommandParser) -> None:
    add = parser.add_argument
    add("--drain", action="store_true", help="handle what is there and end; exit code 3 if entries are left")
    add("--max-events", type=positive_int, metavar="N", help="end when N events were started, in each worker")
    add("--max-seconds", type=seconds, metavar="S", help="end after S seconds")
    add(
        "--shutdown-timeout",
        type=seconds,
        metavar="S",
        help="seconds that running handlers are given when it stops (setting SHUTDOWN_TIMEOUT)",
    )


def _add_watching(parser: CommandParser) -> None:
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="restart when code changes (default: under DEBUG, unless the run has an end)",
    )
    parser.add_argument(
        "--metrics-port",
        type=port,
        metavar="P",
        help="answer Prometheus at port P of 127.0.0.1; of several workers, the first at P, the second at P + 1, …"
        " Needs stream_events[metrics]",
    )
    add_health_file(parser)


def _description(consumer: Consumer, created: bool) -> str:
    state = None
    with contextlib.suppress(redis.RedisError):
        state = group_state(consumer.stream, consumer.group)
    return (
        f"  {consumer.stream}  group {consumer.group}{' (created now)' if created else ''}"
        f"  handlers {len(consumer.handlers)}"
        + (f"  lag {'unknown' if state.lag is None else state.lag}  pending {state.pending}" if state else "")
    )


def _wants_reload(options: dict[str, Any]) -> bool:
    chosen = options["reload"]
    ends_by_itself = options["drain"] or options["max_events"] or options["max_seconds"]
    return bool(chosen if chosen is not None else is_debug() and not ends_by_itself)
