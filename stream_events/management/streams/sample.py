"""``manage.py streams sample``: add this minute to the history, where no consumer runs that does."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from stream_events.management.streams.output import Output, Section, add_format
from stream_events.operations.history import take_sample

HELP = "Adds this minute to the history of the streams, as running consumers do; once a minute is enough."


def add_arguments(parser: CommandParser) -> None:
    add_format(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    taken = take_sample()
    missed = "Nothing was sampled: this minute has its sample, METRICS is off, or Redis is away."
    text = "Sampled." if taken else missed
    output.write(Section("sample", {"taken": taken}, [{"TAKEN": str(taken).lower()}], text=text))
