"""The verbs of ``manage.py streams``, each a module of its own."""

from __future__ import annotations

from typing import Any, Protocol

from django.core.management.base import CommandParser

from stream_events.management.streams import (
    audit,
    consumers,
    entries,
    groups,
    handlers,
    letters,
    pending,
    probe,
    roles,
    sample,
    show,
    status,
    tail,
    top,
)
from stream_events.management.streams.orders import SHAPES
from stream_events.management.streams.output import Output
from stream_events.management.streams.writing import Writing


class Verb(Protocol):
    """What such a module has."""

    @property
    def HELP(self) -> str: ...

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments that only this verb takes."""

    def run(self, output: Output, options: dict[str, Any]) -> None:
        """Do it; a ``CommandError`` says with which code the command ends if not with 0."""


READING: dict[str, Verb] = {
    "status": status,
    "groups": groups,
    "consumers": consumers,
    "pending": pending,
    "letters": letters,
    "entries": entries,
    "show": show,
    "tail": tail,
    "top": top,
    "audit": audit,
    "check": probe,
    "handlers": handlers,
}
KEEPING: dict[str, Verb] = {"sample": sample, "createroles": roles}
WRITING: dict[str, Verb] = {name: Writing(shape) for name, shape in SHAPES.items()}
VERBS = {**READING, **WRITING, **KEEPING}
