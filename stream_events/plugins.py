"""Plugins: handlers that installed packages offer, of which a project names those that it wants."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from stream_events.conf import get_settings
from stream_events.exceptions import ConfigurationError
from stream_events.registration import Source
from stream_events.registry import Problem, handlers

GROUP = "stream_events.handlers"  # of entry points

_MEND = "Mend the package, or take the plugin out of STREAM_EVENTS['PLUGINS']; consumers do not start before."

_tried: set[str] = set()  # what this process has loaded, or failed to


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an installed package offers: a module that registers as it is imported, or a function that does."""

    source: Source
    entry_point: EntryPoint

    @property
    def name(self) -> str:
        return self.source.name

    def register(self) -> None:
        """Have the handlers registered; raises ``TypeError`` for an entry point of another kind, or what it raises."""
        found = self.entry_point.load()
        if not self.entry_point.attr:
            return
        written = f"its entry point {self.entry_point.value!r} names"
        if any(one.func is found for one in handlers):
            raise TypeError(f"{written} a handler, not the module that registers it")
        if not callable(found) or inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found):
            raise TypeError(f"{written} neither a module nor a plain function that is called with the registry")
        found(handlers)


def load_plugins() -> None:
    """Load the plugins that ``PLUGINS`` names, each once in a process. Without names nothing is looked for.

    One that cannot be loaded is reported to the registry instead of raised: the site goes on, ``check`` shows an
    error, and consumers refuse to start.
    """
    try:
        names = [name for name in dict.fromkeys(get_settings().plugins) if name not in _tried]
    except ConfigurationError:
        return  # the check on settings says what is wrong
    if not names:
        return
    _tried.update(names)
    try:
        installed = installed_plugins()
    except ConfigurationError as error:
        handlers.report(Problem(str(error), error.hint))
        return
    for name in names:
        _load(name, installed)


def installed_plugins() -> list[Plugin]:
    """Every plugin that an installed package offers, in order; none is imported.

    Raises ``ConfigurationError`` when what the packages say about themselves cannot be read.
    """
    try:
        found = [Plugin(_source(one), one) for one in entry_points(group=GROUP)]
    except Exception as error:
        raise ConfigurationError(
            f"The entry points of the installed packages cannot be read: {type(error).__name__}: {error}",
            "Install the broken package again.",
        ) from error
    return sorted(found, key=lambda one: (one.name, one.source.package or ""))


def _source(entry_point: EntryPoint) -> Source:
    metadata: Any = entry_point.dist.metadata if entry_point.dist else {}  # that of a broken package is empty
    return Source(entry_point.name, metadata.get("Name") or "an unknown package", metadata.get("Version") or "?")


def _load(name: str, installed: Sequence[Plugin]) -> None:
    found = [one for one in installed if one.name == name]
    if len(found) != 1:
        handlers.report(_ambiguous(name, found) if found else _missing(name, installed))
        return
    (plugin,) = found
    try:
        with handlers.loading(plugin.source):
            plugin.register()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - and one that exits would end a consumer with 0
        handlers.report(Problem.raised(f"{plugin.source} does not load", error, _MEND))


def _ambiguous(name: str, found: Sequence[Plugin]) -> Problem:
    packages = " and ".join(f"{one.source.package} {one.source.version}" for one in found)
    return Problem(f"The plugin {name!r} is offered by {packages}.", "Uninstall all of them but one.")


def _missing(name: str, installed: Sequence[Plugin]) -> Problem:
    """Also a package is a good guess: its name is what the project's requirements say."""
    known = {str(one.source.package): one.name for one in installed} | {one.name: one.name for one in installed}
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f" Did you mean {known[close[0]]!r}?" if close else ""
    offered = ", ".join(f"{one.name!r} of {one.source.package} {one.source.version}" for one in installed)
    return Problem(
        f"STREAM_EVENTS['PLUGINS'] names {name!r}, a plugin that no installed package offers.{guess}"
        f" Installed: {offered or 'none'}.",
        "Install its package where this process runs, or take the name out.",
    )
