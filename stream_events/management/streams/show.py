"""``manage.py streams show``: one entry and what every group has made of it, or one dead letter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from stream_events.exceptions import SelectionError
from stream_events.management.streams import entries, letters, pending
from stream_events.management.streams.display import clock, due, length
from stream_events.management.streams.filters import entry_id
from stream_events.management.streams.names import check_group_of, find_stream
from stream_events.management.streams.output import FORMATS, Output, Section, add_format
from stream_events.management.streams.reading import add_names, add_utc
from stream_events.operations.dead_letters import letter
from stream_events.operations.entries import GroupStatus, entry_statuses, stream_entry

HELP = "Shows one entry with its status in every group; with --dead, one dead letter of a group with its traceback."


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, group="with --dead, the group that it is of; else only its status is shown")
    parser.add_argument("--id", type=entry_id, required=True, help="of the entry, or of the dead letter")
    parser.add_argument("--dead", action="store_true", help="the id is that of a dead letter")
    add_format(parser, FORMATS)
    add_utc(parser)


def run(output: Output, options: dict[str, Any]) -> None:
    state = find_stream(options["stream"])
    if options["dead"] and not options["group"]:
        raise SelectionError("A dead letter is of one group: give STREAM GROUP with --dead.")
    if options["group"]:
        check_group_of(state, options["group"])
    if options["dead"]:
        output.write(_letter(output, state.name, options["group"], options["id"]))
    else:
        output.write(*_entry(output, state.name, options["group"], options["id"]))


def _letter(output: Output, stream: str, group: str, letter_id: str) -> Section:
    found = letter(stream, group, letter_id)
    if found is None:
        raise SelectionError(
            f"{stream}/{group} has no dead letter {letter_id}; it may have been requeued or discarded."
        )
    record = letters.record(found)
    facts = {
        "dead letter": f"{found.id} of {stream}/{group}",
        "died at": clock(found.at, utc=output.utc),
        "entry": record["entry_id"],
        "event": record["event"],
        "object": record["object"],
        "reason": record["reason"],
        "error": record["error"],
        "handler": record["handler"],
        "deliveries": record["deliveries"],
        "consumer": record["consumer"],
        **record["headers"],
    }
    text = [_facts(facts), _pretty(record["payload"]), found.traceback.rstrip()]
    text += [
        f"Requeued {clock(past.at, utc=output.utc)} by {past.by or 'nobody knows whom'}, after {past.error}"
        for past in found.history
    ]
    row = {name.upper(): _text(value) for name, value in facts.items()}
    return Section("letter", record, [row], text=_joined(text))


def _entry(output: Output, stream: str, group: str | None, wanted: str) -> list[Section]:
    found = stream_entry(stream, wanted)
    statuses = [one for one in entry_statuses(stream, wanted) if group in (None, one.group)]
    if found is None and not any(one.pending for one in statuses):
        raise SelectionError(f"Stream {stream!r} has no entry {wanted}; it may have been trimmed.")
    groups = Section(
        "groups",
        [_status_record(one) for one in statuses],
        [_status_row(one) for one in statuses],
        numbers=frozenset({"IDLE", "DELIVERIES", "DUE"}),
        elastic=frozenset({"CONSUMER", "ERROR"}),
    )
    if found is None:
        record: dict[str, Any] = {"id": wanted, "payload": None}
        return [Section("entry", record, text=f"The entry {wanted} was deleted while it was pending."), groups]
    record = {name: value for name, value in entries.record(found).items() if name != "delivery"}
    facts = {
        "entry": f"{wanted} of {stream}",
        "added at": clock(found.added_at, utc=output.utc),
        "event": record["event"],
        "object": record["object"],
        **record["headers"],
    }
    row = {name.upper(): _text(value) for name, value in facts.items()}
    return [Section("entry", record, [row], text=_joined([_facts(facts), _pretty(record["payload"])])), groups]


def _status_record(one: GroupStatus) -> dict[str, Any]:
    return {
        "group": one.group,
        "delivery": one.delivery.value,
        "pending": pending.record(one.pending) if one.pending else None,
        "dead_letter": one.dead_letter_id or None,
        "requeued": one.requeued_id or None,
    }


def _status_row(one: GroupStatus) -> dict[str, str]:
    held = one.pending
    return {
        "GROUP": one.group,
        "DELIVERY": one.delivery.value,
        "STATE": held.state.value if held else "",
        "CONSUMER": held.consumer if held else "",
        "IDLE": length(held.idle) if held else "",
        "DELIVERIES": pending.deliveries(held) if held else "",
        "DUE": due(held.due_at) if held else "",
        "ERROR": held.error if held else "",
        "DEAD-LETTER": one.dead_letter_id,
        "REQUEUED": one.requeued_id,
    }


def _facts(facts: Mapping[str, Any]) -> str:
    known = {name: _text(value) for name, value in facts.items() if value not in (None, "")}
    width = max(map(len, known))
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in known.items())


def _pretty(payload: Any) -> str:
    """The payload as JSON; text that is none as it is."""
    if payload is None:
        return "No payload."
    return payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)


def _text(value: Any) -> str:
    return "" if value is None else "".join(one if one.isprintable() else " " for one in str(value))


def _joined(parts: list[str]) -> str:
    """Terminals must not obey what a payload or a traceback holds."""
    shown = ("".join(one if one.isprintable() or one in "\n\t" else "�" for one in part) for part in parts if part)
    return "\n\n".join(shown)
