"""The setting ``STREAM_EVENTS``: read here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from django.conf import ENVIRONMENT_VARIABLE
from django.conf import settings as django_settings

from stream_events.exceptions import ConfigurationError

EMBEDDED = "embedded://"
OnFailure = Literal["outbox", "raise", "log"]
Unhandled = Literal["ack", "dead"]
NoneOrMore = int
Outbox = Mapping[str, Any]
Severity = Literal["danger", "warning", "info"]
Badge = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """What ``STREAM_EVENTS["ADMIN"]`` may hold."""

    read_only: bool = False  # True: nobody changes anything from the pages
    environment: Badge = ()  # a badge on every page: its words, and "danger", "warning" or "info"
    payload_formatter: str = ""  # dotted path of a function from a payload's text to the text that is shown
    min_refresh: float = 5.0  # pages do not refresh themselves more often
    scan_budget: int = 100_000  # entries that one page looks at for a filter that no index serves
    base_class: str = ""  # dotted path of the ModelAdmin that a theme wants its pages to inherit from
    register: bool = True  # False: not on the default admin site


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """What ``STREAM_EVENTS["METRICS"]`` may hold."""

    enabled: bool = True  # False: no history is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its type and default: the key ``BLOCK`` is the field ``block``.

    Times are seconds.
    """

    enabled: bool = True  # False publishes nothing at all
    url: str = "redis://localhost:6379/0"  # redis://, rediss://, unix://, embedded:// or embedded:///folder
    options: Mapping[str, Any] = field(default_factory=dict)  # more arguments for the Redis client
    key_prefix: str = ""  # put before every key
    publish_timeout: float = 0.25  # what a request may wait for Redis
    on_failure: OnFailure = "outbox"  # when Redis fails after the commit: "outbox", "raise", or "log"
    wait_replicas: NoneOrMore = 0  # replicas that must confirm what is published
    wait_aof: NoneOrMore = 0  # append-only files that must, the first of them the server's own (Redis 7.2)
    outbox: Outbox = field(default_factory=dict)  # DATABASES: the aliases that may hold one
    max_payload: int = 1_000_000  # bytes of JSON in one event
    count: int = 100  # entries per read, at most
    block: float = 2.0  # how long one read waits for entries
    lease: float = 30.0  # a consumer that was silent for so long is taken for dead
    claim_idle: float = 900.0  # and so is one of another program, whose entries nobody touched for so long
    max_deliveries: int = 8  # starts of a handler before its event becomes a dead letter
    backoff: float = 5.0  # before the first retry; doubled for each one that follows
    max_waiting: int = 10_000  # entries of a group that may wait for a retry before no new ones are taken
    handler_timeout: float = 600.0  # a handler that runs for longer ends its consumer
    shutdown_timeout: float = 25.0  # what a consumer that stops gives the running handlers
    unhandled: Unhandled = "ack"  # what becomes of events that no handler wants: "ack", or "dead"
    inbox_retention: float = 30 * 86400.0  # how long once=True remembers an event
    handler_modules: tuple[str, ...] = ("stream_handlers",)  # imported from every installed app
    plugins: tuple[str, ...] = ()  # names of entry points of installed packages that are loaded
    admin: AdminSettings = field(default_factory=AdminSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)


GROUPS: dict[str, type[AdminSettings] | type[MetricsSettings]] = {
    "AdminSettings": AdminSettings,
    "MetricsSettings": MetricsSettings,
}  # settings that are dictionaries of settings, by their types

KEYS = {option.name.upper(): option for option in fields(Settings)}
_GROUP_KEYS = {
    name: {one.name.upper(): one for one in fields(GROUPS[str(option.type)])}
    for name, option in KEYS.items()
    if option.type in GROUPS
}

_cached: tuple[object, Settings] | None = None


def get_settings() -> Settings:
    """The settings as they are now; raises ``ConfigurationError`` when a value cannot be used.

    The parsed value is kept for as long as Django holds the same dictionary, so ``override_settings`` is seen.
    """
    global _cached
    raw = getattr(django_settings, "STREAM_EVENTS", None)
    if _cached is None or _cached[0] is not raw:
        _cached = (raw, _parse(raw))
    return _cached[1]


def settings_for(url: str | None = None) -> Settings:
    """The project's settings, or where Django is not configured the defaults, with ``url`` in place of theirs."""
    settings = get_settings() if is_configured() else Settings()
    return settings if url is None else replace(settings, url=_located(url))


def unknown_keys() -> dict[str, str | None]:
    """Keys of ``STREAM_EVENTS`` that mean nothing, each with the known key that comes closest."""
    raw = getattr(django_settings, "STREAM_EVENTS", None)
    names = raw if isinstance(raw, Mapping) else ()
    found = {str(name): _closest(str(name), KEYS) for name in names if name not in KEYS}
    for group, keys in _GROUP_KEYS.items():
        inner = raw.get(group) if isinstance(raw, Mapping) else None
        if isinstance(inner, Mapping):
            found |= {f"{group}.{name}": _closest(str(name), keys) for name in inner if name not in keys}
    return found


def is_configured() -> bool:
    """Whether Django has settings: programs that are no Django project have none, and no databases."""
    return bool(django_settings.configured or os.environ.get(ENVIRONMENT_VARIABLE))


def is_debug() -> bool:
    return bool(django_settings.DEBUG)


def settings_module() -> str:
    """The dotted name of the settings module, for people to read."""
    return str(getattr(django_settings, "SETTINGS_MODULE", None) or "configured in code")


def _parse(raw: object) -> Settings:
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f"STREAM_EVENTS must be a dictionary, got {type(raw).__name__}.")
    values = {KEYS[name].name: _value(name, KEYS[name].type, raw[name]) for name in raw if name in KEYS}
    if "url" in values:
        values["url"] = _located(values["url"])
    return Settings(**values)


def _located(url: str) -> str:
    """``url``; one that is only ``embedded://`` with the folder that it means."""
    if url.rstrip("/") != EMBEDDED.rstrip("/"):
        return url
    return f"{EMBEDDED}{quote(str(_project_folder() / '.stream_events'))}"


def _closest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name.upper(), list(known), n=1)), None)


def _value(name: str, kind: Any, value: Any) -> Any:
    match kind:
        case "bool":
            valid = isinstance(value, bool)
            wanted = "True or False"
        case "int":
            valid = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            wanted = "a whole number of at least 1"
        case "NoneOrMore":
            valid = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            wanted = "a whole number of at least 0"
        case "float":
            valid = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            wanted = "a number of seconds above 0"
        case "tuple[str, ...]":
            valid = _is_list_of_names(value)
            wanted = "a list of names"
            value = tuple(value) if valid else value
        case "Badge":
            valid = _is_badge(value)
            severities = ", ".join(map(repr, get_args(Severity)))
            wanted = f"words and how to show them, such as ('production', 'danger'): the second is one of {severities}"
            value = tuple(value) if valid else value
        case "str":
            valid = isinstance(value, str)
            wanted = "a string"
        case "OnFailure" | "Unhandled" as kind:
            choices = get_args({"OnFailure": OnFailure, "Unhandled": Unhandled}[kind])
            valid = isinstance(value, str) and value in choices
            wanted = f"one of {', '.join(map(repr, choices))}"
        case "Mapping[str, Any]":
            valid = isinstance(value, Mapping)
            wanted = "a dictionary"
        case "Outbox":
            valid = _is_outbox(value)
            wanted = "a dictionary with no other key than 'DATABASES', a list of names"
        case "AdminSettings" | "MetricsSettings":
            valid = isinstance(value, Mapping)
            wanted = "a dictionary"
            value = _group(name, GROUPS[kind], value) if valid else value
        case other:
            raise AssertionError(f"{name} has the type {other}, which nothing checks yet")
    if not valid:
        shown = "another value" if name in ("URL", "OPTIONS") else repr(value)
        where = "".join(f"[{part!r}]" for part in name.split("."))
        raise ConfigurationError(f"STREAM_EVENTS{where} must be {wanted}, got {shown}.")
    return value


def _group(name: str, kind: type[AdminSettings] | type[MetricsSettings], raw: Mapping[Any, Any]) -> Any:
    """The settings in the dictionary ``raw``, which is the setting ``name``."""
    keys = _GROUP_KEYS[name]
    values = {keys[one].name: _value(f"{name}.{one}", keys[one].type, raw[one]) for one in raw if one in keys}
    return kind(**values)


def _is_outbox(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) <= {"DATABASES"} and all(map(_is_list_of_names, value.values()))


def _is_badge(value: object) -> bool:
    if not (isinstance(value, list | tuple) and _is_list_of_names(value)):
        return False
    return not value or (len(value) == 2 and value[1] in get_args(Severity))


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _project_folder() -> Path:
    folder = getattr(django_settings, "BASE_DIR", None) if is_configured() else None
    return Path(folder or Path.cwd()).absolute()
