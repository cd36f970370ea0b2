"""Options that say which pending entries or dead letters are meant."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from stream_events.arguments import moment, positive_int, span
from stream_events.consuming.policy import REASONS
from stream_events.operations import filters
from stream_events.operations.dead_letters import LetterFilter
from stream_events.operations.pending import EntryState, PendingFilter
from stream_events.operations.places import before, entry_id_at, last_place, place, place_at

_ID = re.compile(r"\d+-\d+")
_LONG = re.compile(r"\d{10,}")  # an id without its second part; no date is as long


def entry_id(text: str) -> str:
    """An entry id."""
    if _LONG.fullmatch(text):
        return f"{text}-0"
    if not _ID.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no id; ids look like 1767225600000-0")
    return text


def first_id(text: str) -> str:
    """An entry id, or the first that a time has."""
    if _ID.fullmatch(text) or _LONG.fullmatch(text):
        return entry_id(text)
    return place_at(moment(text))


def last_id(text: str) -> str:
    """An entry id, or the last that a time has."""
    if _ID.fullmatch(text):
        return text
    return entry_id_at(last_place(first_id(text).partition("-")[0]))


def id_before(text: str) -> str:
    """The greatest id below ``first_id``: what follows it begins there."""
    return entry_id_at(before(place(first_id(text))))


def add_requeued(parser: CommandParser) -> None:
    parser.add_argument(
        "--requeued", action="store_true", help="those that were dead letters and were requeued to the group"
    )


def add_pending_filters(parser: CommandParser) -> None:
    parser.add_argument("--consumer", metavar="NAME", help="held by this consumer")
    parser.add_argument("--state", choices=[one.value for one in EntryState], help="in this state")
    parser.add_argument("--min-idle", type=span, metavar="TIME", help="that nobody has touched for so long, as 5m")
    parser.add_argument("--min-deliveries", type=positive_int, metavar="N", help="started at least so often")
    parser.add_argument("--error", metavar="TEXT", help="whose last failure contains this")
    _add_times(parser)


def add_letter_filters(parser: CommandParser) -> None:
    parser.add_argument("--error", metavar="CLASS", help="whose error is of this class, such as ValueError")
    parser.add_argument("--reason", choices=REASONS, help="that died for this reason")
    parser.add_argument("--handler", metavar="NAME", help="of this handler")
    parser.add_argument("--event", metavar="EVENT", help="“shop.order”, “create”, or both as “shop.order create”")
    _add_times(parser)


def pending_where(options: dict[str, Any]) -> dict[str, str]:
    """The filters that are given, as an ``Order`` has them; empty without any."""
    return _given(options, filters.PENDING)


def letter_where(options: dict[str, Any]) -> dict[str, str]:
    return _given(options, filters.LETTERS)


def pending_filter(options: dict[str, Any]) -> PendingFilter:
    return filters.pending_filter(pending_where(options))


def letter_filter(options: dict[str, Any]) -> LetterFilter:
    return filters.letter_filter(letter_where(options))


def _add_times(parser: CommandParser) -> None:
    parser.add_argument("--since", type=first_id, metavar="TIME", help="not older than this time, “2h” ago, or id")
    parser.add_argument("--until", type=last_id, metavar="TIME", help="not newer than that")


def _given(options: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    given = {name: options[name] for name in names if options[name] is not None}
    if "min_idle" in given:
        given["min_idle"] = str(given["min_idle"].total_seconds()).removesuffix(".0")
    return {name: str(value) for name, value in given.items()}
