"""``manage.py runrelay``: send what is written to the outbox, until told to stop."""

from __future__ import annotations

import threading
from typing import Any

import redis
from django.core.management.base import CommandError, CommandParser
from django.db import Error

from stream_events.arguments import port
from stream_events.conf import get_settings
from stream_events.connections import UNAVAILABLE as REDIS_UNAVAILABLE
from stream_events.connections import explain, safe_url
from stream_events.consuming.stopping import interrupt, stop_on_signals
from stream_events.exceptions import ConfigurationError, NotDurableError
from stream_events.health import add_health_file, beating
from stream_events.management.checked import CheckedCommand
from stream_events.management.exit_codes import ABORTED, PARTIAL, UNAVAILABLE
from stream_events.management.logs import logging_to
from stream_events.operations import metrics
from stream_events.publishing.outbox_databases import has_table, migrate_command, outbox_aliases
from stream_events.publishing.relay import Relay
from stream_events.publishing.relaying import Relaying

CLOSING = 30.0  # seconds; a batch that is in hand is finished


class Command(CheckedCommand):
    help = (
        "Sends the events in the outbox of every database to their streams, until told to stop. Run several at will."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="send what is there and end; exit code 3 if events are left, 69 if Redis cannot be reached",
        )
        parser.add_argument("--metrics-port", type=port, metavar="P", help="answer Prometheus at port P of 127.0.0.1")
        add_health_file(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            aliases = _aliases()
            with metrics.serve(options["metrics_port"]), logging_to(self.stderr, options["verbosity"]):
                if options["once"]:
                    self._send_once(aliases, options["verbosity"])
                else:
                    self._go_on(aliases, options)
        except KeyboardInterrupt:
            raise CommandError("Stopped at once; what was in hand is sent again.", returncode=ABORTED) from None

    def _send_once(self, aliases: list[str], verbosity: int) -> None:
        relays = [Relay(alias) for alias in aliases]
        try:
            sent = sum(relay.run() for relay in relays)
            left = sum(relay.left() for relay in relays)
        except REDIS_UNAVAILABLE as error:
            text = f"Redis at {safe_url(get_settings().url)} cannot be reached: {explain(error)}"
            raise CommandError(text, returncode=UNAVAILABLE) from error
        except (redis.RedisError, NotDurableError, Error) as error:
            raise CommandError(explain(error)) from error
        if verbosity > 0:
            self.stdout.write(f"Sent {sent:,} events.")
        if left:
            raise CommandError(
                f"Still in the outbox: {left:,} events. Redis refuses them, or another relay has them in hand.",
                returncode=PARTIAL,
            )

    def _go_on(self, aliases: list[str], options: dict[str, Any]) -> None:
        verbosity = options["verbosity"]
        relayings = [Relaying(alias) for alias in aliases]
        stopped = threading.Event()

        def stop() -> None:
            for relaying in relayings:
                relaying.stop()

        def run(relaying: Relaying) -> None:
            try:
                relaying.run()
            finally:
                stopped.set()  # one that dies ends the command

        def is_alive() -> bool:
            return all(relaying.is_alive() for relaying in relayings)

        with stop_on_signals(stop, at_once=interrupt), beating(options["health_file"], is_alive):
            threads = [threading.Thread(target=run, args=[relaying], daemon=True) for relaying in relayings]
            for thread in threads:
                thread.start()
            if verbosity > 0:
                where = f"{', '.join(aliases)} to {safe_url(get_settings().url)}"
                self.stdout.write(f"Relaying the outbox of {where}. Quit with CONTROL-C.")
                self.stdout.flush()
            while not stopped.wait(0.5):
                pass
            stop()
            for thread in threads:
                thread.join(CLOSING)
        if verbosity > 0:
            self.stdout.write(f"Sent {sum(relaying.sent for relaying in relayings):,} events.")
        if any(relaying.error for relaying in relayings):
            raise CommandError("A relay has ended by itself; the log says why.")


def _aliases() -> list[str]:
    """The databases that have an outbox, or are asked for; raises ``ConfigurationError`` when there is none."""
    aliases = outbox_aliases()
    missing = [alias for alias in aliases if not _may_have_table(alias)]
    served = [alias for alias in aliases if alias not in missing]
    if missing and ("DATABASES" in get_settings().outbox or not served):
        commands = " and ".join(map(migrate_command, missing))
        raise ConfigurationError(f"There is no outbox in {', '.join(missing)}: run {commands}.")
    if not served:
        raise ConfigurationError("No database may hold an outbox: see STREAM_EVENTS['OUTBOX'] and DATABASE_ROUTERS.")
    return served


def _may_have_table(alias: str) -> bool:
    try:
        return has_table(alias)
    except Error:
        return True  # a database that is away now may be back soon
