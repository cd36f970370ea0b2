"""``manage.py streams VERB``: look at streams, groups and handlers."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser

from stream_events.management.checked import CheckedCommand
from stream_events.management.exit_codes import ABORTED
from stream_events.management.streams import VERBS
from stream_events.management.streams.output import FORMATS, Output


class Command(CheckedCommand):
    help = "Looks at streams, groups and handlers; streams VERB --help says more."
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
        output = Output(self.stdout, self.stderr, options.get("format", FORMATS[0]), color=not options.get("no_color"))
        try:
            VERBS[options["verb"]].run(output, options)
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=ABORTED) from None
