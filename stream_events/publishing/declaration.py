"""What a publisher was told, checked where it stands."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, get_args

from django.db.models import Model

from stream_events.exceptions import ConfigurationError, EventEncodeError
from stream_events.keys import check_stream
from stream_events.publishing.attachment import ACTIONS
from stream_events.publishing.suppression import is_suppressed

Via = Literal["commit", "outbox"]
When = Callable[[Any, str], bool]
Serializer = Callable[[Any], Any]


class Declaration:
    """The options of a publisher, which ``StreamPublisher`` explains."""

    stream: str
    fields: tuple[str, ...]
    actions: frozenset[str]
    via: Via
    when: When | None
    changes: bool
    serializer: Serializer | None
    version: int | str | None
    coalesce: bool

    def check(self) -> None:
        """Raise ``ConfigurationError`` for options that cannot be."""
        check_stream(self.stream)
        for problem in self._problems():
            raise ConfigurationError(f"StreamPublisher({self.stream!r}): {problem}")

    @cached_property
    def is_special(self) -> bool:
        """Whether an event takes more than the declared fields."""
        return bool(self.when or self.serializer or self.changes or self.coalesce or self.version is not None)

    def is_silent(self) -> bool:
        """Whether nothing is to be published here and now."""
        return is_suppressed(self.stream)

    def serialize(self, instance: Model) -> Mapping[str, Any]:
        """What ``serializer`` makes of ``instance``; raises ``EventEncodeError`` unless that is a mapping.

        It may also be a dataclass, or have a mapping as Django REST framework's serializers (``data``) and
        pydantic's models (``model_dump``) do.
        """
        assert self.serializer is not None  # noqa: S101
        found = self.serializer(instance)
        if isinstance(found, Mapping):
            return found
        if dataclasses.is_dataclass(found) and not isinstance(found, type):
            return dataclasses.asdict(found)
        if callable(dump := getattr(found, "model_dump", None)):
            found = dump(mode="json")
        data = found if isinstance(found, Mapping) else self._data_of(found)
        if not isinstance(data, Mapping):
            raise EventEncodeError(f"the serializer of stream {self.stream} gave {type(found).__name__}, no mapping")
        return data

    def _data_of(self, found: Any) -> Any:
        try:
            return found.data
        except AttributeError as error:  # which may come from inside of it
            raise EventEncodeError(
                f"the serializer of stream {self.stream} gave {type(found).__name__}, no mapping: {error}"
            ) from error

    def _problems(self) -> Iterable[str]:
        if unknown := ", ".join(sorted(self.actions - set(ACTIONS))):
            yield (
                f"actions has {unknown}; writes are {', '.join(ACTIONS)}. Other verbs are published with publish()."
            )
        if self.via not in get_args(Via):
            yield f"via is {self.via!r}; it is one of {', '.join(map(repr, get_args(Via)))}."
        if self.fields and self.serializer:
            yield "fields and serializer both say what the event's data are; give one of them."
        for name in ("when", "serializer"):
            if (value := getattr(self, name)) is not None and not callable(value):
                yield f"{name} is {value!r}, which cannot be called."
            elif inspect.iscoroutinefunction(value):
                yield f"{name} is async; a save cannot wait for it."
        for name in ("changes", "coalesce"):
            if not isinstance(value := getattr(self, name), bool):
                yield f"{name} is {value!r}; it is True or False."
        if self.version is not None and (isinstance(self.version, bool) or not isinstance(self.version, int | str)):
            yield f"version is {self.version!r}; it is a number or a string."
