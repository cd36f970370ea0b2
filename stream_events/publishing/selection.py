"""Which rows become events, and of which publisher: names from a command line, looked up."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.db import connections, router
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP

from stream_events.exceptions import SelectionError
from stream_events.publishing.attachment import Attachment
from stream_events.publishing.publisher import publishers

Condition = tuple[str, str]  # a lookup and its value, as in status=placed

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of ``model`` on the database ``using``, and the publisher whose events they become."""

    model: type[Model]
    attachment: Attachment
    using: str
    filters: Sequence[Condition] = ()
    excludes: Sequence[Condition] = ()

    def rows(self) -> QuerySet[Any, Any]:
        """The rows, whatever the model's managers hide; one may come several times if a filter follows relations.

        Raises ``SelectionError`` for a lookup that the model does not have, or a value that its field refuses.
        """
        found: QuerySet[Any, Any] = QuerySet(self.model).using(self.using)
        for condition in self.filters:
            found = _narrowed(found, condition, exclude=False)
        for condition in self.excludes:
            found = _narrowed(found, condition, exclude=True)
        return found

    def key(self, text: str) -> Any:
        """The primary key that is written as ``text``; raises ``SelectionError``."""
        try:
            return self.model._meta.pk.to_python(text)
        except (ValidationError, TypeError, ValueError) as error:
            raise SelectionError(f"{text!r} is no key of {self.model._meta.label}: {_reason(error)}") from error


def select(
    label: str,
    stream: str | None,
    *,
    using: str | None = None,
    filters: Sequence[Condition] = (),
    excludes: Sequence[Condition] = (),
) -> Selection:
    """The rows of the model ``label`` for its publisher to ``stream``, which may be left out if there is only one.

    Raises ``SelectionError`` that says what there is instead.
    """
    model = _find_model(label)
    if len(model._meta.pk_fields) > 1:
        raise SelectionError(f"{model._meta.label} has a composite primary key: its rows cannot be read in chunks.")
    attachment = _find_attachment(model, stream)
    using = using or router.db_for_write(model)
    if using not in connections:
        known = ", ".join(connections)
        raise SelectionError(f"There is no database {using!r}, only {known}.{_guess(using, connections)}")
    return Selection(model=model, attachment=attachment, using=using, filters=filters, excludes=excludes)


def _find_model(label: str) -> type[Model]:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        known = {model._meta.label: model._meta.object_name or "" for model in apps.get_models()}
        same_name = next((one for one, name in known.items() if name.lower() == label.lower()), None)
        guess = f" Did you mean {same_name}?" if same_name else _guess(label, known)
        raise SelectionError(
            f"There is no model {label!r}; write app_label.ModelName.{guess}{_everything()}"
        ) from None


def _find_attachment(model: type[Model], stream: str | None) -> Attachment:
    label = model._meta.label
    there = _attachments(model)
    if not there:
        raise SelectionError(f"{label} has no publisher.{_everything()}")
    streams = sorted(one.publisher.stream for one in there)
    found = [one for one in there if stream in (None, one.publisher.stream)]
    if not found:
        raise SelectionError(
            f"{label} publishes nothing to {stream!r}, only to {', '.join(streams)}.{_guess(str(stream), streams)}"
        )
    if len(found) > 1 and stream is None:
        raise SelectionError(f"{label} publishes to {', '.join(streams)}: say with --stream which is meant.")
    if len(found) > 1:
        raise SelectionError(f"{label} has {len(found)} publishers to {stream!r}: which one is meant cannot be said.")
    return found[0]


def _attachments(model: type[Model]) -> list[Attachment]:
    everywhere = (attachment for publisher in publishers for attachment in publisher.attachments.values())
    return [attachment for attachment in everywhere if issubclass(model, attachment.model)]


def _everything() -> str:
    """All publishers that there are, as the end of an error."""
    known = sorted({f"{model._meta.label} --stream {one.stream}" for one in publishers for model in one.attachments})
    return "".join(["\nPublishers:", *(f"\n  {line}" for line in known)]) if known else " No model has a publisher."


def _narrowed(rows: QuerySet[Any, Any], condition: Condition, *, exclude: bool) -> QuerySet[Any, Any]:
    lookup, text = condition
    try:
        value = _value(lookup, text)
        with warnings.catch_warnings():
            # A time without a zone is one of TIME_ZONE, which is what somebody means who types it.
            warnings.filterwarnings("ignore", ".* received a naive datetime", RuntimeWarning)
            return rows.exclude(**{lookup: value}) if exclude else rows.filter(**{lookup: value})
    except FieldError as error:
        raise SelectionError(
            f"{lookup}={text}: {str(error).rstrip('.')}.{_guess_lookup(rows.model, lookup)}"
        ) from error
    except (ValidationError, TypeError, ValueError) as error:
        raise SelectionError(f"{lookup}={text}: {_reason(error)}") from error


def _value(lookup: str, text: str) -> Any:
    match lookup.rpartition(LOOKUP_SEP)[2]:
        case "in":
            return text.split(",")
        case "range":
            first, separator, last = text.partition(",")
            if not separator:
                raise ValueError("the value is the first and the last one, with a comma between them")
            return first, last
        case "isnull":
            if text.lower() not in _BOOLEANS:
                raise ValueError("the value is true or false")
            return _BOOLEANS[text.lower()]
        case _:
            return text


def _guess_lookup(model: type[Model], lookup: str) -> str:
    """For the first word of ``lookup`` that is no field, the field that comes closest."""
    parts = lookup.split(LOOKUP_SEP)
    for at, part in enumerate(parts):
        fields = {field.name: field for field in model._meta.get_fields()}
        if part not in fields:
            close = get_close_matches(part, fields, n=1)
            return f" Did you mean {LOOKUP_SEP.join([*parts[:at], close[0], *parts[at + 1 :]])}?" if close else ""
        related = fields[part].related_model
        if not isinstance(related, type):
            return ""
        model = related
    return ""


def _guess(word: str, known: Iterable[str]) -> str:
    lowered = {one.lower(): one for one in known}
    close = get_close_matches(word.lower(), lowered, n=1)
    return f" Did you mean {lowered[close[0]]}?" if close else ""


def _reason(error: Exception) -> str:
    return "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
