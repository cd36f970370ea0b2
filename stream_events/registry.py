"""Which handlers there are, and what is wrong with the ones that could not be registered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from stream_events.events import Event
from stream_events.exceptions import ConfigurationError
from stream_events.keys import check_group, check_names, check_stream

HandlerFunction = Callable[[Event], Any]
F = TypeVar("F", bound=HandlerFunction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One function, and the events of one stream and group that it is called for."""

    func: HandlerFunction
    stream: str
    group: str
    name: str
    obj_types: frozenset[str] | None = None  # None: every one
    actions: frozenset[str] | None = None

    @property
    def origin(self) -> str:
        """Where the function was written."""
        return _dotted_path(self.func)

    def matches(self, obj_type: str, action: str) -> bool:
        return (self.obj_types is None or obj_type.lower() in self.obj_types) and (
            self.actions is None or action in self.actions
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """A registration that cannot work: consumers refuse to start while there is one."""

    text: str
    hint: str = ""
    subject: Any = None


class HandlerRegistry:
    """The handlers of a project. ``stream_events.handlers`` is the one that consumers use."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str, str], Handler] = {}
        self.problems: list[Problem] = []

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def register(
        self,
        func: F,
        *,
        stream: str,
        group: str,
        obj_type: str | Iterable[str] | None = None,
        actions: Iterable[str] | None = None,
        name: str | None = None,
    ) -> F:
        """Call ``func(event)`` for the events of ``stream`` in ``group``; returns ``func``.

        ``obj_type`` (one or several) and ``actions`` limit it to those events; ``name`` is unique within stream
        and group and defaults to the function's dotted path. A registration that cannot work raises nothing
        here: it becomes an error of ``manage.py check``, and consumers refuse to start.
        """
        try:
            found = Handler(
                func=_checked_function(func),
                stream=stream,
                group=group,
                name=name or _dotted_path(func),
                obj_types=_lowered(_filter("obj_type", [obj_type] if isinstance(obj_type, str) else obj_type)),
                actions=_filter("actions", actions),
            )
            check_stream(stream)
            check_group(group)
            self._add(found)
        except ConfigurationError as error:
            where = f"handler {_dotted_path(func)} of stream {stream!r}, group {group!r}"
            self.report(Problem(f"{where}: {error}", error.hint, func))
        return func

    def report(self, problem: Problem) -> None:
        """Note a problem found outside ``register``, such as a handler module that does not import."""
        self.problems.append(problem)

    def find(self, stream: str, group: str) -> tuple[Handler, ...]:
        """The handlers of ``stream`` in ``group``.

        Raises ``ConfigurationError`` that lists what is registered when there is none.
        """
        found = tuple(one for one in self if (one.stream, one.group) == (stream, group))
        if not found:
            raise ConfigurationError(self._nothing_for(stream, group))
        return found

    def groups(self) -> list[tuple[str, str]]:
        """Every (stream, group) that has a handler, in order."""
        return sorted({(one.stream, one.group) for one in self})

    def _add(self, found: Handler) -> None:
        key = (found.stream, found.group, found.name)
        other = self._handlers.setdefault(key, found)
        if other != found:
            raise ConfigurationError(
                f"the name {found.name!r} is taken by {other.origin} with other options",
                "Give one of them another name=.",
            )

    def _nothing_for(self, stream: str, group: str) -> str:
        known = [f"{one} {two}" for one, two in self.groups()]
        if not known:
            return (
                f"No handler is registered for stream {stream!r}, group {group!r}, nor for any other. Call"
                " handlers.register() in an apps.py, or write a stream_handlers.py, and see that the app is in"
                " INSTALLED_APPS."
            )
        close = get_close_matches(f"{stream} {group}", known, n=1, cutoff=0.5)
        guess = f" Did you mean: {close[0]}?" if close else ""
        registered = "\n".join(f"  {line}" for line in known)
        return f"No handler is registered for stream {stream!r}, group {group!r}.{guess}\nRegistered:\n{registered}"


def _checked_function(func: HandlerFunction) -> HandlerFunction:
    plain = _unwrapped(func)
    if not callable(func):
        raise ConfigurationError(f"{func!r} cannot be called", "Register a function that takes one event.")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise ConfigurationError(
            "it is a generator: calling it runs none of its code", "Remove the yield from the function."
        )
    try:
        inspect.signature(func).bind(object())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"it cannot be called with one event ({error})", "Write it as def handler(event): …"
        ) from error
    return func


def _filter(option: str, names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    found = check_names(option, names)
    if not found:
        raise ConfigurationError(f"{option} names nothing", f"Leave {option} out for every one.")
    return frozenset(found)


def _lowered(names: frozenset[str] | None) -> frozenset[str] | None:
    return names and frozenset(name.lower() for name in names)


def _unwrapped(func: Any) -> Any:
    """The function whose kind decides: behind partials, and behind an object's ``__call__``."""
    while isinstance(func, functools.partial):
        func = func.func
    return func if inspect.isroutine(func) else getattr(func, "__call__", func)  # noqa: B004


def _dotted_path(func: Any) -> str:
    plain = _unwrapped(func)
    return f"{getattr(plain, '__module__', '?')}.{getattr(plain, '__qualname__', repr(func))}"


handlers = HandlerRegistry()


def handler(
    stream: str,
    *,
    group: str,
    obj_type: str | Iterable[str] | None = None,
    actions: Iterable[str] | None = None,
    name: str | None = None,
) -> Callable[[F], F]:
    """``handlers.register`` as a decorator, for modules named ``stream_handlers`` of installed apps."""

    def decorate(func: F) -> F:
        return handlers.register(func, stream=stream, group=group, obj_type=obj_type, actions=actions, name=name)

    return decorate
