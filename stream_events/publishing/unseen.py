"""Writes that no publisher sees, because Django sends no signal for them: warned about under DEBUG and in tests."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from traceback import walk_stack
from types import FrameType
from typing import Any, NamedTuple

from django.core import mail
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CASCADE, Model

from stream_events.conf import is_debug
from stream_events.exceptions import UnpublishedWriteWarning
from stream_events.publishing.publisher import StreamPublisher, publishers
from stream_events.publishing.statements import Verb, Write, plain_name, writes_in


class Way(NamedTuple):
    """A way to write that sends no signal, and what to do instead."""

    name: str
    instead: str


class CallSite(NamedTuple):
    """How a write is made, and the frame of the project that makes it, if there is one."""

    way: Way
    frame: FrameType | None


_BULK = "use EventQuerySet.as_manager() for its manager, EventQuerySet({model}) in this place, or save() in a loop"
_RAW = Way("raw SQL", "use the ORM, or publish() what happened")
_QUERY = Way("a query of Django's own making", "use save() and delete()")
_SET = Way("SET_NULL or SET_DEFAULT", "save() the objects that refer to a row before you delete it")
_RAW_DELETE = Way("QuerySet._raw_delete()", "use delete()")

_COMPILER = "django.db.models.sql.compiler"
_QUERYSET = "django.db.models.query"
_COLLECTOR = ("django.db.models.deletion", "delete")
_RELATED = ("django.db.models.fields.related_descriptors", "django.contrib.contenttypes.fields")

_WAYS: dict[tuple[tuple[str, str], Verb], Way] = {
    ((_QUERYSET, "bulk_create"), "INSERT"): Way("QuerySet.bulk_create()", _BULK),
    ((_QUERYSET, "bulk_update"), "UPDATE"): Way("QuerySet.bulk_update()", _BULK),
    ((_QUERYSET, "update"), "UPDATE"): Way("QuerySet.update()", _BULK),
    ((_QUERYSET, "_raw_delete"), "DELETE"): _RAW_DELETE,
    (_COLLECTOR, "UPDATE"): _SET,
    **{
        ((module, name), "UPDATE"): Way(f"{name}() of a related manager", f"pass bulk=False to {name}()")
        for module in _RELATED
        for name in ("add", "remove", "clear", "set")
    },
}
# The functions under which Django sends signals for what they write; fixtures are saved there too, and are silent
# by design. A Collector does not signal what it updates.
_SIGNALLED: set[tuple[tuple[str, str], Verb]] = {
    (("django.db.models.base", "save_base"), "INSERT"),
    (("django.db.models.base", "save_base"), "UPDATE"),
    (_COLLECTOR, "DELETE"),
}
_PUBLISHING_QUERYSETS = "stream_events.publishing.querysets"
# Whatever is written below these sets up a database, and is no event.
_SETUP_MODULES = ("django.db.migrations.", "django.db.backends.base.schema")
_SETUP = {
    ("django.core.management.sql", "emit_post_migrate_signal"),
    ("django.core.serializers.base", "save"),
    ("django.db.backends.base.operations", "execute_sql_flush"),
}
# Between a project's code and the write; the last four run the async twins of the ORM's methods.
_FRAMEWORK = {"django", "stream_events", "contextlib", "asgiref", "asyncio", "concurrent", "threading"}
_PARTS_OF_SAVE = {"_save_table", "_do_insert", "_do_update"}

_nowhere: dict[Any, Any] = {}  # the registry of warnings without a call site


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of ``connection_created``: look at what ``connection`` executes, under DEBUG and in tests."""
    if (is_debug() or _in_tests()) and warn_if_unseen not in connection.execute_wrappers:
        connection.execute_wrappers.append(warn_if_unseen)


def warn_if_unseen(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Wrapper of ``execute``: warns of what it has written when no publisher saw it."""
    result = execute(sql, params, many, context)
    text = sql if isinstance(sql, str) else _composed(sql, context["connection"])
    for write in writes_in(text):
        if not _changed_nothing(write, context["cursor"]):
            _warn(write)
    return result


def _changed_nothing(write: Write, cursor: Any) -> bool:
    # Django sends the UPDATE of SET_NULL whether or not there are such rows. Rows to fetch are not yet counted.
    return write.verb != "INSERT" and cursor.rowcount == 0 and cursor.description is None


def _warn(write: Write) -> None:
    missed = _missed_by(write)
    if not missed or not (site := find_call_site(write.verb)):
        return
    for model, wanting in missed.items():
        streams = sorted(wanting)
        text = (
            f"{model._meta.label} (table {write.table}) was written by {site.way.name}, which sends no signal:"
            f" nothing was published to {', '.join(streams)}."
            f" Instead, {site.way.instead.format(model=model.__name__)};"
            f" if it is meant, say so with {' and '.join(f'suppress({stream!r})' for stream in streams)}."
        )
        _warn_at(site.frame, text)


def _missed_by(write: Write) -> dict[type[Model], set[str]]:
    """The models that ``write`` concerns, each with the streams that do not hear of it."""
    missed: dict[type[Model], set[str]] = {}
    for publisher in publishers:
        if publisher.actions & write.actions:
            for model in publisher.attachments:
                if _concerns(write, model, publisher) and not publisher.is_silent():
                    missed.setdefault(model, set()).add(publisher.stream)
    return missed


def _concerns(write: Write, model: type[Model], publisher: StreamPublisher) -> bool:
    lineage = (model, *model._meta.all_parents)
    written = {one for one in lineage if plain_name(one._meta.db_table) == write.table}
    if not written or write.verb != "UPDATE":
        return model in written
    # As with update_fields: where fields are declared, only they count. A child has some in its parent's table.
    return any(
        field.model in written and write.assigns(field.column or "")
        for field in model._meta.concrete_fields
        if not publisher.fields or field.name in publisher.fields
    )


def find_call_site(verb: Verb) -> CallSite | None:
    """Where the write comes from, as the stack tells; None if it is published, or silent by design."""
    frames = [frame for frame, _ in walk_stack(sys._getframe(1))]
    # What is below Django's compiler, such as a profiler, only passes the statement on.
    compiled = next((at for at, frame in enumerate(frames) if _name(frame)[0] == _COMPILER), None)
    way = _RAW if compiled is None else _QUERY
    site = None
    callee = None
    for frame in frames[compiled:]:
        name = _name(frame)
        if (name, verb) in _SIGNALLED or name[0] == _PUBLISHING_QUERYSETS:
            return None
        if name == _COLLECTOR and _is_cascade(frame):
            return None
        way = _WAYS.get((name, verb), way)
        if name[0].partition(".")[0] not in _FRAMEWORK and not _passes_on(frame, callee):
            site = frame
            break
        callee = frame
    return None if any(map(_sets_up, frames)) else CallSite(way, site)


def _is_cascade(frame: FrameType) -> bool:
    """Whether rows lose their reference only to be deleted next: where the database cannot check that at the end."""
    field = frame.f_locals.get("field")
    return field is not None and field.remote_field.on_delete is CASCADE


def _sets_up(frame: FrameType) -> bool:
    name = _name(frame)
    return name in _SETUP or name[0].startswith(_SETUP_MODULES)


def _passes_on(frame: FrameType, callee: FrameType | None) -> bool:
    """Whether ``frame`` is a method of the ORM that the project has overridden, and not a use of the ORM."""
    name = frame.f_code.co_name
    if name in _PARTS_OF_SAVE:
        return True
    if callee is None or callee.f_code.co_name != name:
        return False
    owner = frame.f_locals.get("self")
    return owner is not None and owner is callee.f_locals.get("self")


def _name(frame: FrameType) -> tuple[str, str]:
    return frame.f_globals.get("__name__") or "", frame.f_code.co_name


def _warn_at(frame: FrameType | None, text: str) -> None:
    if frame is None:  # Django's async twins: their thread does not know who awaits it
        warnings.warn_explicit(text, UnpublishedWriteWarning, "<async>", 0, registry=_nowhere)
        return
    warnings.warn_explicit(
        text,
        UnpublishedWriteWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=_name(frame)[0] or None,
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _composed(sql: Any, connection: BaseDatabaseWrapper) -> str:
    """The text of an SQL object, as psycopg has them."""
    return str(sql.as_string(connection.connection)) if hasattr(sql, "as_string") else ""


def _in_tests() -> bool:
    return hasattr(mail, "outbox")  # from setup_test_environment to its end
