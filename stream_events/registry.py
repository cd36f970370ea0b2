"""Which handlers there are, and what is wrong with the ones that could not be registered."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from types import FrameType
from typing import Any, TypeVar, Unpack

from stream_events.exceptions import ConfigurationError
from stream_events.keys import NO_GROUP, check_group, check_stream
from stream_events.registration import Handler, HandlerFunction, HandlerOptions, Source, dotted_path, make_handler

F = TypeVar("F", bound=HandlerFunction)

# Code that is nobody's mistake: ours, and the interpreter's that it has called.
_NOT_THEIRS = (f"{Path(__file__).parent}{os.sep}", "<frozen importlib", importlib.__path__[0])


@dataclass(frozen=True, slots=True)
class Problem:
    """A registration that cannot work: consumers refuse to start while there is one."""

    text: str
    hint: str = ""
    subject: Any = None

    @classmethod
    def raised(cls, what: str, error: BaseException, hint: str) -> Problem:
        """``what``, with the error that code of the project or a plugin has raised, its file and its line."""
        frames = [one for one in extract_tb(error.__traceback__) if not one.filename.startswith(_NOT_THEIRS)]
        where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        return cls(f"{what}: {type(error).__name__}: {error}{where}", hint)


class HandlerRegistry:
    """The handlers of a project. ``stream_events.handlers`` is the one that consumers use."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str, str], Handler] = {}
        self.problems: list[Problem] = []
        self._loading: Source | None = None

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def register(self, func: F, *, stream: str, group: str | None, **options: Unpack[HandlerOptions]) -> F:
        """Call ``func(event)`` for the events of ``stream`` in ``group``; returns ``func``.

        With ``group=None`` it is called by regular consumers, which have no group: ``runconsumer STREAM --no-group``.

        The options are those of ``HandlerOptions``. A registration that cannot work raises nothing here: it becomes
        an error of ``manage.py check``, and consumers refuse to start.
        """
        caller = _calling_frame()
        source = self._loading or Source(caller.f_globals.get("__name__", "?"))
        try:
            check_stream(stream)
            if group is not None:
                check_group(group)
            self._add(replace(make_handler(func, stream, group, options), source=source))
        except ConfigurationError as error:
            what = f"handler {dotted_path(func)} of stream {stream!r}, group {group!r}, registered by {source}"
            where = f"{caller.f_code.co_filename}, line {caller.f_lineno}"
            self.report(Problem(f"{what}: {error} ({where})", error.hint, func))
        return func

    @contextlib.contextmanager
    def loading(self, source: Source) -> Iterator[None]:
        """Whatever is registered inside comes from ``source``, whichever module registers it."""
        before, self._loading = self._loading, source
        try:
            yield
        finally:
            self._loading = before

    def report(self, problem: Problem) -> None:
        """Note a problem found outside ``register``, such as a handler module that does not import."""
        self.problems.append(problem)

    def find(self, stream: str, group: str) -> tuple[Handler, ...]:
        """The handlers of ``stream`` in ``group``, or for ``NO_GROUP`` those that are called without one.

        Raises ``ConfigurationError`` that lists what is registered when there is none.
        """
        found = tuple(one for one in self if (one.stream, one.group) == (stream, group))
        if not found:
            raise ConfigurationError(self._nothing_for(stream, group))
        return found

    def usable(self, stream: str, group: str) -> tuple[Handler, ...]:
        """As ``find``; raises ``ConfigurationError`` also when any registration of the project cannot work."""
        self.refuse_problems()
        return self.find(stream, group)

    def refuse_problems(self) -> None:
        """Raise ``ConfigurationError`` when any registration of the project cannot work."""
        if self.problems:
            raise ConfigurationError("\n".join(problem.text for problem in self.problems))

    def groups(self) -> list[tuple[str, str]]:
        """Every (stream, group) that has a handler, in order; without those that are called without a group."""
        return sorted({(one.stream, one.group) for one in self if one.group != NO_GROUP})

    def streams(self) -> set[str]:
        """Every stream that has a handler, in a group or without one."""
        return {one.stream for one in self}

    def _add(self, found: Handler) -> None:
        key = (found.stream, found.group, found.name)
        other = self._handlers.setdefault(key, found)
        if other != found:
            raise ConfigurationError(
                f"the name {found.name!r} is taken by {other.origin}, registered by {other.source} with other options",
                "Give one of them another name=.",
            )

    def _nothing_for(self, stream: str, group: str) -> str:
        where = f"stream {stream!r}, group {group!r}" if group else f"stream {stream!r} without a group (group=None)"
        known = sorted({f"{one.stream} {one.group or '--no-group'}" for one in self})
        if not known:
            return (
                f"No handler is registered for {where}, nor for any other. Call"
                " handlers.register() in an apps.py, or write a stream_handlers.py, and see that the app is in"
                " INSTALLED_APPS."
            )
        close = get_close_matches(f"{stream} {group or '--no-group'}", known, n=1, cutoff=0.5)
        guess = f" Did you mean: {close[0]}?" if close else ""
        registered = "\n".join(f"  {line}" for line in known)
        return f"No handler is registered for {where}.{guess}\nRegistered:\n{registered}"


handlers = HandlerRegistry()


def handler(stream: str, *, group: str | None, **options: Unpack[HandlerOptions]) -> Callable[[F], F]:
    """``handlers.register`` as a decorator, for modules named ``stream_handlers`` of installed apps."""

    def decorate(func: F) -> F:
        return handlers.register(func, stream=stream, group=group, **options)

    return decorate


def _calling_frame() -> FrameType:
    """Where a registration is written: the frame that called this module."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals is globals():
        frame = frame.f_back
    return frame
