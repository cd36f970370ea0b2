"""What a project handles, what installed packages would handle, and what keeps consumers from starting."""

from __future__ import annotations

from dataclasses import dataclass

from stream_events.conf import get_settings
from stream_events.consuming.inbox import why_not
from stream_events.exceptions import ConfigurationError
from stream_events.plugins import installed_plugins
from stream_events.registration import Handler, Source
from stream_events.registry import Problem, handlers


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Handlers in the order of their streams, groups and names; plugins in the order of their names."""

    handlers: tuple[Handler, ...]
    plugins: tuple[tuple[Source, bool], ...]  # those that are installed, and whether PLUGINS names them
    problems: tuple[Problem, ...]


def catalogue() -> Catalogue:
    """What there is in this process. Redis is not asked."""
    problems = [*handlers.problems]
    problems += [
        Problem(f"handler {one.name}: {reason}", "See the options once and atomic.")
        for one in handlers
        if (reason := why_not(one))
    ]
    plugins: list[tuple[Source, bool]] = []
    try:
        names = get_settings().plugins
        plugins += [(plugin.source, plugin.name in names) for plugin in installed_plugins()]
    except ConfigurationError as error:
        problem = Problem(str(error), error.hint)
        if problem not in problems:  # else loading the plugins has reported it
            problems.append(problem)
    found = sorted(handlers, key=lambda one: (one.stream, one.group or "", one.name))
    return Catalogue(tuple(found), tuple(plugins), tuple(problems))
