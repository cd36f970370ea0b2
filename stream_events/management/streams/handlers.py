"""``manage.py streams handlers``: what a project handles, by which code, and the plugins that it could have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from django.core.management.base import CommandError, CommandParser

from stream_events.management.exit_codes import CONFIGURATION
from stream_events.management.streams.output import Output, Section
from stream_events.management.streams.reading import add_flags, add_names
from stream_events.operations.catalogue import catalogue
from stream_events.registration import Handler, Source, dotted_path
from stream_events.registry import Problem

HELP = (
    "Lists the registered handlers, the installed plugins and what keeps consumers from starting; exit code 78 if"
    " there is such a thing. Redis is not asked."
)

FOLDED = frozenset({"HANDLER", "NAME", "OBJ_TYPES", "ACTIONS", "OPTIONS", "SOURCE", "ENABLED"})

# What a handler is, beside the options that say how it is called.
_IDENTITY = {"func", "stream", "group", "name", "obj_types", "actions", "source"}


def add_arguments(parser: CommandParser) -> None:
    add_names(parser, "only its handlers", "only those of this group")
    add_flags(parser, watch=False)


def run(output: Output, options: dict[str, Any]) -> None:
    stream, group = options["stream"], options["group"]
    found = catalogue()
    listed = [one for one in found.handlers if stream in (None, one.stream) and group in (None, one.group)]
    output.write(
        Section("handlers", [_record(one) for one in listed], [_row(one) for one in listed], folded=FOLDED),
        Section(
            "plugins",
            [_plugin_record(*one) for one in found.plugins],
            [_plugin_row(*one) for one in found.plugins],
            folded=FOLDED,
        ),
        Section("problems", [{"text": one.text, "hint": one.hint} for one in found.problems]),
    )
    if not listed:
        output.note(_nothing(found.handlers, stream, group))
    if found.problems:
        raise CommandError(_refusal(found.problems), returncode=CONFIGURATION)


def _record(handler: Handler) -> dict[str, Any]:
    return {
        "stream": handler.stream,
        "group": handler.group or None,
        "name": handler.name,
        "origin": handler.origin,
        "obj_types": _listed(handler.obj_types),
        "actions": _listed(handler.actions),
        "options": _options(handler),
        "source": _source_record(handler.source),
    }


def _row(handler: Handler) -> dict[str, str]:
    return {
        "STREAM": handler.stream,
        "GROUP": handler.group or "—",
        "HANDLER": handler.origin,
        "NAME": handler.name if handler.name != handler.origin else "",
        "OBJ_TYPES": ",".join(_listed(handler.obj_types) or ()),
        "ACTIONS": ",".join(_listed(handler.actions) or ()),
        "OPTIONS": " ".join(_option_text(*one) for one in _options(handler).items()),
        "SOURCE": str(handler.source),
    }


def _source_record(source: Source | None) -> dict[str, Any] | None:
    if source is None:
        return None
    kind = "module" if source.package is None else "plugin"
    return {"kind": kind, "name": source.name, "package": source.package, "version": source.version}


def _plugin_record(plugin: Source, enabled: bool) -> dict[str, Any]:
    return {"name": plugin.name, "package": plugin.package, "version": plugin.version, "enabled": enabled}


def _plugin_row(plugin: Source, enabled: bool) -> dict[str, str]:
    return {
        "PLUGIN": plugin.name,
        "PACKAGE": plugin.package or "",
        "VERSION": plugin.version or "",
        "ENABLED": "yes" if enabled else f"no; add {plugin.name!r} to STREAM_EVENTS['PLUGINS'] to enable it",
    }


def _options(handler: Handler) -> dict[str, Any]:
    """The options that differ from their defaults, as JSON can carry them."""
    values = {one.name: getattr(handler, one.name) for one in fields(handler) if one.name not in _IDENTITY}
    defaults = {one.name: one.default for one in fields(handler)}
    return {
        name: dotted_path(value) if callable(value) else value
        for name, value in values.items()
        if value != defaults[name]
    }


def _option_text(name: str, value: Any) -> str:
    return name if value is True else f"{name}={value}"


def _listed(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _nothing(registered: Sequence[Handler], stream: str | None, group: str | None) -> str:
    wanted = f" for stream {stream!r}" * (stream is not None) + f", group {group!r}" * (group is not None)
    asked = " ".join(filter(None, (stream, group)))
    known = {" ".join(filter(None, (one.stream, group and one.group))) for one in registered}
    close = get_close_matches(asked, sorted(known), n=1, cutoff=0.5)
    return f"No handler is registered{wanted}." + (f" Did you mean: {close[0]}?" if close else "")


def _refusal(problems: Sequence[Problem]) -> str:
    lines = [f"{one.text}\n  {one.hint}" if one.hint else one.text for one in problems]
    return "\n".join([*lines, "Consumers do not start."])
