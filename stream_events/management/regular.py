"""``runconsumer STREAM --no-group``: every event of a stream, without a group."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser

from stream_events.consuming.place import EARLIEST
from stream_events.consuming.position import Position, position_from
from stream_events.consuming.tail import Tail
from stream_events.exceptions import ConfigurationError
from stream_events.keys import NO_GROUP
from stream_events.management.exit_codes import USAGE
from stream_events.registry import handlers

# Options that a regular consumer has no use for, each with the value that it has when it is not given.
IN_GROUPS_ONLY = {"consumer": "", "workers": 1, "threads": 1, "drain": False, "shutdown_timeout": None}


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--no-group",
        action="store_true",
        help="a regular consumer: every event, for the handlers registered with group=None, without acknowledgements",
    )
    parser.add_argument(
        "--position",
        type=_position,
        metavar="memory|file:PATH|key:NAME",
        help="where a regular consumer remembers how far it has come (default: memory, which a restart forgets)",
    )


def check_usage(options: dict[str, Any]) -> None:
    """Raise ``CommandError`` for options that do not belong together."""
    stream, group = options["stream"], options["group"]
    if not options["no_group"]:
        if not group and not options["all"]:
            raise _usage(
                f"Name the group as well, as in “runconsumer {stream} {_some_group(stream)}”, or write"
                f" “runconsumer {stream} --no-group” for a regular consumer."
            )
        if options["position"]:
            raise _usage("--position is for --no-group; a group remembers by itself how far it has come.")
        return
    if group:
        raise _usage(f"Give either the group {group!r} or --no-group.")
    for name, default in IN_GROUPS_ONLY.items():
        if options[name] != default:
            raise _usage(f"--{name.replace('_', '-')} works in a group only, not with --no-group.")


def make_tail(options: dict[str, Any]) -> Tail:
    """The consumer that ``options`` ask for; raises ``ConfigurationError``."""
    given = {name: options[name] for name in ("count", "block", "max_events", "max_seconds", "position")}
    return Tail(
        options["stream"],
        handlers.usable(options["stream"], NO_GROUP),
        start=options["create_from"] or EARLIEST,
        **{name: value for name, value in given.items() if value is not None},
    )


def description(tail: Tail, is_new: bool) -> str:
    """One line that says what is consumed, and from where."""
    where = f"begins after {tail.after}" if is_new else f"goes on after {tail.after}"
    return f"  {tail.stream}  no group  handlers {len(tail.handlers)}  {where}"


def _some_group(stream: str) -> str:
    return next((group for one, group in handlers.groups() if one == stream), "GROUP")


def _position(text: str) -> Position:
    try:
        return position_from(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _usage(text: str) -> CommandError:
    return CommandError(text, returncode=USAGE)
