"""The verbs of ``manage.py streams``, each a module of its own."""

from __future__ import annotations

from typing import Any, Protocol

from django.core.management.base import CommandParser

from stream_events.management.streams import handlers
from stream_events.management.streams.output import Output


class Verb(Protocol):
    """What such a module has."""

    HELP: str

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments that only this verb takes."""

    def run(self, output: Output, options: dict[str, Any]) -> None:
        """Do it; a ``CommandError`` says with which code the command ends if not with 0."""


VERBS: dict[str, Verb] = {"handlers": handlers}
