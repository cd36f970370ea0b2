"""One handler: a function, the events that it is called for, and how."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

from django.db import DEFAULT_DB_ALIAS

from stream_events.exceptions import ConfigurationError
from stream_events.keys import NO_GROUP, check_names

HandlerFunction = Callable[[Any], Any]  # takes one event, or with batch= a list of them
NEED_A_GROUP = ("once", "batch", "max_deliveries", "backoff", "timeout")  # these options do
Backoff = float | Callable[[int], float]


class HandlerOptions(TypedDict, total=False):
    """What ``handlers.register`` takes beside the function, the stream and the group."""

    obj_type: str | Iterable[str] | None  # only events of these, “app_label.model_name”
    actions: Iterable[str] | None  # only these
    name: str | None  # unique in the stream and group; the function's dotted path unless given
    max_deliveries: int | None  # starts before an event becomes a dead letter; the setting unless given
    backoff: Backoff | None  # seconds before the first retry, or a callable of the delivery count
    timeout: float | None  # seconds; longer than that ends the consumer
    once: bool  # its database effects happen once, however often the event comes
    atomic: str | bool | None  # the database whose transaction wraps it; True is the default database
    batch: int | None  # events that it takes at a time, as a list
    allow_loop: bool  # it means to publish what it gets again itself


@dataclass(frozen=True, slots=True)
class Source:
    """Who registered a handler: a module, or a plugin with the installed package that offers it."""

    name: str  # the module's dotted path, or the plugin's name
    package: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        return self.name if self.package is None else f"plugin {self.name!r} of {self.package} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One function, and the events of one stream and group that it is called for.

    An option that is None follows the setting of that name. ``group`` is empty if the function is called without one.
    """

    func: HandlerFunction
    stream: str
    group: str
    name: str
    obj_types: frozenset[str] | None = None  # None: every one
    actions: frozenset[str] | None = None
    max_deliveries: int | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    once: bool = False
    atomic: str | None = None  # the alias of the database whose transaction wraps it
    batch: int | None = None
    allow_loop: bool = False
    source: Source | None = field(default=None, compare=False)  # the same handler, whoever registered it

    @property
    def origin(self) -> str:
        """Where the function was written."""
        return dotted_path(self.func)

    def matches(self, obj_type: str, action: str) -> bool:
        return (self.obj_types is None or obj_type.lower() in self.obj_types) and (
            self.actions is None or action in self.actions
        )


def make_handler(func: HandlerFunction, stream: str, group: str | None, options: HandlerOptions) -> Handler:
    """The handler that these arguments of ``register`` ask for; raises ``ConfigurationError``."""
    unknown = set(options) - set(HandlerOptions.__annotations__)
    if unknown:
        known = ", ".join(HandlerOptions.__annotations__)
        raise TypeError(f"a handler has no option {sorted(unknown)[0]!r}; there are {known}")
    _check_function(func)
    if group is None:
        _check_needs_no_group(options)
    for option in ("max_deliveries", "batch"):
        _check_number(option, options.get(option), int, "a whole number of at least 1")
    _check_number("timeout", options.get("timeout"), (int, float), "a number of seconds above 0")
    backoff = options.get("backoff")
    if not callable(backoff):
        _check_number("backoff", backoff, (int, float), "a number of seconds above 0, or a function of the count")
    obj_type = options.get("obj_type")
    return Handler(
        func=func,
        stream=stream,
        group=NO_GROUP if group is None else group,
        name=_checked_name(options.get("name")) or dotted_path(func),
        obj_types=_lowered(_filter("obj_type", [obj_type] if isinstance(obj_type, str) else obj_type)),
        actions=_filter("actions", options.get("actions")),
        max_deliveries=options.get("max_deliveries"),
        backoff=backoff,
        timeout=options.get("timeout"),
        once=bool(options.get("once")),
        atomic=_alias(func, options),
        batch=options.get("batch"),
        allow_loop=bool(options.get("allow_loop")),
    )


def dotted_path(func: Any) -> str:
    plain = _unwrapped(func)
    return f"{getattr(plain, '__module__', '?')}.{getattr(plain, '__qualname__', repr(func))}"


def _alias(func: HandlerFunction, options: HandlerOptions) -> str | None:
    atomic, once = options.get("atomic"), options.get("once")
    if atomic is not None and not isinstance(atomic, bool | str):
        raise ConfigurationError(f"atomic is {atomic!r}", "atomic is the alias of a database, or True.")
    if once is not None and not isinstance(once, bool):
        raise ConfigurationError(f"once is {once!r}", "once is True or False.")
    if atomic is False and once:
        raise ConfigurationError("once=True needs a transaction", "Leave atomic out, or name a database with it.")
    if not atomic and not once:
        return None
    if inspect.iscoroutinefunction(_unwrapped(func)):
        raise ConfigurationError(
            f"{'once' if once else 'atomic'} cannot wrap an async function: Django's transactions are not async",
            "Write it as a plain function.",
        )
    return atomic if isinstance(atomic, str) else DEFAULT_DB_ALIAS


def _check_function(func: HandlerFunction) -> None:
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


def _check_needs_no_group(options: HandlerOptions) -> None:
    for option in NEED_A_GROUP:
        if options.get(option):
            raise ConfigurationError(
                f"{option} works in a group only, and group is None", f"Name a group, or leave {option} out."
            )


def _check_number(option: str, value: Any, kind: Any, wanted: str) -> None:
    if value is None:
        return
    least = 1 if kind is int else 0
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= least or value in (0, float("inf")):
        raise ConfigurationError(f"{option} is {value!r}", f"{option} is {wanted}.")


def _checked_name(name: Any) -> str | None:
    if name is not None and (not isinstance(name, str) or not name.isprintable()):
        raise ConfigurationError(f"name is {name!r}", "A handler's name is one line of text.")
    return name


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
