"""``manage.py streams VERB``: look at streams, groups, entries and handlers, and change them."""

from __future__ import annotations

import argparse
from typing import Any

import redis
from django.core.management.base import CommandError, CommandParser

from stream_events.connections import UNAVAILABLE as REDIS_UNAVAILABLE
from stream_events.connections import explain
from stream_events.management.checked import CheckedCommand, unreachable
from stream_events.management.exit_codes import ABORTED, UNAVAILABLE
from stream_events.management.streams import READING, VERBS
from stream_events.management.streams.output import FORMATS, Choice, Output


class Command(CheckedCommand):
    help = "Looks at streams, groups, entries and handlers, and changes them; streams VERB --help says more."
    requires_system_checks = []  # one looks because something is wrong

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._base: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def add_base_argument(self, parser: CommandParser, *args: Any, **kwargs: Any) -> None:
        super().add_base_argument(parser, *args, **kwargs)
        self._base.append((args, kwargs))

    def add_arguments(self, parser: CommandParser) -> None:
        # Django's own options may stand after the verb as well; left out there, they leave alone what stands before.
        base, self._base = self._base, []
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in VERBS.items():
            own = verbs.add_parser(name, help=verb.HELP, description=verb.HELP, formatter_class=parser.formatter_class)
            verb.add_arguments(own)
            for args, kwargs in base:
                super().add_base_argument(own, *args, **{**kwargs, "default": argparse.SUPPRESS})

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] not in READING:
            self.check()
        try:
            VERBS[options["verb"]].run(self._output(options), options)
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=ABORTED) from None
        except REDIS_UNAVAILABLE as error:
            raise CommandError(unreachable(error), returncode=UNAVAILABLE) from error
        except redis.RedisError as error:
            raise CommandError(f"Redis refused: {explain(error)}") from error

    def _output(self, options: dict[str, Any]) -> Output:
        choice = Choice(
            columns=options.get("columns", ()),
            sort=options.get("sort", ""),
            reverse=options.get("reverse", False),
            limit=options.get("limit"),
        )
        return Output(
            self.stdout,
            self.stderr,
            options.get("format", FORMATS[0]),
            color=not options.get("no_color"),
            choice=choice,
            utc=options.get("utc", False),
        )
