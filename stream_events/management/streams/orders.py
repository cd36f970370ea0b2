"""The verbs of ``manage.py streams`` that change something: what each takes, and the order that comes of it."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import CommandParser

from stream_events.arguments import moment, whole
from stream_events.exceptions import SelectionError
from stream_events.management.streams.filters import (
    add_letter_filters,
    add_pending_filters,
    add_requeued,
    entry_id,
    letter_where,
    pending_where,
)
from stream_events.management.streams.reading import add_names
from stream_events.operations.plans import GIVEN, Order, Target, Verb

Options = dict[str, Any]
Where = Callable[[Options], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a verb: ``flag`` on the command line, ``name`` in the order."""

    name: str
    flag: str
    help: str
    type: Callable[[str], str] | None = None  # None: a switch
    metavar: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a verb takes; ``group`` is None where there is none, and says what it means where it may be left out."""

    verb: Verb
    help: str
    group: str | None = ""
    add_filters: Callable[[CommandParser], None] | None = None
    where: Where | None = None
    has_requeued: bool = False
    options: tuple[Option, ...] = field(default=())

    @property
    def is_of_entries(self) -> bool:
        """Whether nothing is to be done where there are no entries; a group without any can be deleted."""
        return self.where is not None or self.verb is Verb.TRIM

    def add_arguments(self, parser: CommandParser) -> None:
        add_names(parser, group=self.group)
        if self.add_filters is not None:
            what = "dead letter" if self.add_filters is add_letter_filters else "entry"
            what = f"entry, or {what} of GROUP" if self.group else what
            parser.add_argument(
                "--id",
                dest="ids",
                type=entry_id,
                action="append",
                default=[],
                metavar="ID",
                help=f"this {what}; may be repeated",
            )
            self.add_filters(parser)
            parser.add_argument("--all", action="store_true", help="all that there are; without ids and filters")
        if self.has_requeued:
            add_requeued(parser)
        for one in self.options:
            if one.type is None:
                parser.add_argument(one.flag, dest=f"order_{one.name}", action="store_true", help=one.help)
            else:
                parser.add_argument(
                    one.flag, dest=f"order_{one.name}", type=one.type, metavar=one.metavar, help=one.help
                )

    def order(self, options: Options) -> Order:
        """The order in ``options``; raises ``SelectionError`` if something is missing, or too much."""
        return Order(
            verb=self.verb,
            stream=options["stream"],
            group=options.get("group") or "",
            targets=tuple(Target(one) for one in dict.fromkeys(options.get("ids", ()))),
            where=self._where(options),
            options=self._options(options),
            requeued=bool(options.get("requeued")),
        )

    def given(self, options: Options) -> bool:
        """Whether anything is given that belongs to an order beside its stream and group."""
        filters = self.where(options) if self.where else {}
        own = [options[f"order_{one.name}"] for one in self.options]
        return any((options.get("ids"), options.get("all"), options.get("requeued"), *filters.values(), *own))

    def _where(self, options: Options) -> Mapping[str, str] | None:
        if self.where is None:
            return None
        found = self.where(options)
        if options["ids"] and (found or options["all"]):
            raise SelectionError("Give ids, or filters: not both.")
        if options["all"] and found:
            raise SelectionError("--all is for all that there are; leave it away with filters.")
        if not (options["ids"] or found or options["all"]):
            raise SelectionError(f"Say which: {self.verb} takes --id, filters, or --all.")
        return None if options["ids"] else found

    def _options(self, options: Options) -> dict[str, str]:
        found = {}
        for one in self.options:
            value = options[f"order_{one.name}"]
            if one.is_required and value is None:
                raise SelectionError(f"{self.verb} needs {one.flag} {one.metavar}.")
            if value not in (None, False):
                found[one.name] = GIVEN if value is True else value
        return found


def _number(text: str) -> str:
    return str(whole(text))


def _place(text: str) -> str:
    """“earliest”, “latest”, an entry id, or a time."""
    return {"earliest": "0", "latest": "$", "0": "0", "$": "$"}.get(text) or _boundary(text)


def _boundary(text: str) -> str:
    """An entry id, or a time."""
    try:
        return entry_id(text)
    except ArgumentTypeError:
        return moment(text).isoformat()


def _payload(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


CONSUMER = Option("consumer", "--consumer", "which one", str, "NAME", is_required=True)

SHAPES = {
    "ack": Shape(
        Verb.ACK,
        "Acknowledges pending entries: their handlers will not run for them.",
        add_filters=add_pending_filters,
        where=pending_where,
        has_requeued=True,
    ),
    "claim": Shape(
        Verb.CLAIM,
        "Gives pending entries to another consumer of their group.",
        add_filters=add_pending_filters,
        where=pending_where,
        has_requeued=True,
        options=(Option("consumer", "--to-consumer", "who gets them", str, "NAME", is_required=True),),
    ),
    "retry": Shape(
        Verb.RETRY,
        "Has pending entries handled again now.",
        add_filters=add_pending_filters,
        where=pending_where,
        has_requeued=True,
    ),
    "dead": Shape(
        Verb.DEAD,
        "Makes dead letters of pending entries.",
        add_filters=add_pending_filters,
        where=pending_where,
        has_requeued=True,
    ),
    "requeue": Shape(
        Verb.REQUEUE,
        "Has dead letters handled again, by their own group only.",
        add_filters=add_letter_filters,
        where=letter_where,
    ),
    "discard": Shape(
        Verb.DISCARD,
        "Deletes dead letters.",
        add_filters=add_letter_filters,
        where=letter_where,
    ),
    "replay": Shape(
        Verb.REPLAY,
        "Appends entries again, or dead letters of GROUP: every group of the stream gets them as new ones.",
        group="its dead letters, not entries of the stream",
        add_filters=add_letter_filters,
        where=letter_where,
    ),
    "reset": Shape(
        Verb.RESET,
        "Moves the position of a group: it reads again, or skips, what lies between.",
        options=(
            Option(
                "to",
                "--to",
                "earliest, latest, an entry id (the group goes on after it), or a time",
                _place,
                "PLACE",
                is_required=True,
            ),
            Option("force", "--force", "although consumers run"),
        ),
    ),
    "trim": Shape(
        Verb.TRIM,
        "Deletes the oldest entries of a stream.",
        group=None,
        options=(
            Option("maxlen", "--maxlen", "so that so many are left", _number, "N"),
            Option("before", "--before", "all that are older than this time, or id", _boundary, "TIME"),
        ),
    ),
    "delete-consumer": Shape(
        Verb.DELETE_CONSUMER,
        "Deletes a consumer of a group that does not run any more.",
        options=(CONSUMER, Option("move", "--move", "what it holds is handed back to its group first")),
    ),
    "delete-group": Shape(
        Verb.DELETE_GROUP,
        "Deletes a group; its running consumers end.",
        options=(Option("dead_letters", "--dead-letters", "its dead letters as well"),),
    ),
    "delete-stream": Shape(Verb.DELETE_STREAM, "Deletes a stream and all that belongs to it.", group=None),
    "publish": Shape(
        Verb.PUBLISH,
        "Appends one event: for trying out whether it is handled.",
        group=None,
        options=(Option("payload", "--payload", "JSON; “-” reads it from stdin", _payload, "JSON", is_required=True),),
    ),
}
