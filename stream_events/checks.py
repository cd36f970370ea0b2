"""System checks. Plain ``check`` never opens a connection; ``check --deploy`` may say more."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.db import Error as AnyDatabaseError
from django.db import connections, router
from django.db.models import Model
from django.utils.module_loading import import_string

from stream_events.conf import EMBEDDED, get_settings, unknown_keys
from stream_events.connections import make_client
from stream_events.consuming.inbox import why_not
from stream_events.exceptions import ConfigurationError
from stream_events.publishing.model_events import concrete_field
from stream_events.publishing.outbox_databases import has_table, migrate_command, outbox_aliases
from stream_events.publishing.publisher import StreamPublisher, publishers
from stream_events.registry import handlers

UNKNOWN_SETTING = "stream_events.E001"
BAD_SETTING = "stream_events.E002"
BAD_HANDLER = "stream_events.E003"
BAD_PUBLISHER_FIELD = "stream_events.E004"
PUBLISHER_HIDDEN = "stream_events.E005"
UNKNOWN_OUTBOX_DATABASE = "stream_events.E006"
NO_OUTBOX = "stream_events.E007"
SENSITIVE_FIELD = "stream_events.W001"
UNKNOWN_OBJECT_TYPE = "stream_events.W002"
EMBEDDED_IN_PRODUCTION = "stream_events.W003"
NO_OUTBOX_TABLE = "stream_events.W004"

SENSITIVE = ("password", "passwd", "secret", "token", "api_key", "private_key")

Configs = Sequence[AppConfig] | None


def check_settings(app_configs: Configs, **_: Any) -> list[CheckMessage]:
    """E001 and E002: keys that mean nothing, and values that cannot be used."""
    messages: list[CheckMessage] = []
    for name, close in unknown_keys().items():
        hint = f"Did you mean {close!r}?" if close else "Remove it; docs/settings.md lists the keys."
        messages.append(Error(f"STREAM_EVENTS has the unknown key {name!r}.", hint=hint, id=UNKNOWN_SETTING))
    try:
        make_client(get_settings(), timeout=1)
    except ConfigurationError as error:
        return [*messages, Error(str(error), hint=error.hint or "See docs/settings.md.", id=BAD_SETTING)]
    return [*messages, *_path_messages()]


def check_handlers(app_configs: Configs, **_: Any) -> list[CheckMessage]:
    """E003: registrations that cannot work. W002: a type of an installed app that has no such model."""
    messages: list[CheckMessage] = [
        Error(problem.text, hint=problem.hint or None, obj=problem.subject, id=BAD_HANDLER)
        for problem in handlers.problems
    ]
    for handler in handlers:
        if reason := why_not(handler):
            messages.append(
                Error(
                    f"Handler {handler.name} cannot have its transaction: {reason}.",
                    hint="atomic= names one of DATABASES; with once=True, one where stream_events may be migrated.",
                    id=BAD_HANDLER,
                )
            )
        messages += [
            CheckWarning(
                f"Handler {handler.name} waits for objects of type {obj_type!r}, and there is no such model.",
                hint="obj_type is “app_label.model_name”, such as “shop.order”.",
                id=UNKNOWN_OBJECT_TYPE,
            )
            for obj_type in sorted(handler.obj_types or ())
            if _names_no_model(obj_type)
        ]
    return messages


def check_publishers(app_configs: Configs, **_: Any) -> list[CheckMessage]:
    """E004, E005, E007 and W001: what publishers declare, against the models that they are on."""
    messages: list[CheckMessage] = []
    for publisher in sorted(publishers, key=lambda one: one.stream):
        for model in publisher.attachments:
            messages += _field_messages(publisher, model)
            messages += _attribute_messages(publisher, model)
            messages += _outbox_messages(publisher, model)
    return messages


def check_outbox(app_configs: Configs, **_: Any) -> list[CheckMessage]:
    """E006: the setting names a database that the project does not have."""
    return [
        Error(
            f"STREAM_EVENTS['OUTBOX']['DATABASES'] names {alias!r}, and there is no such database.",
            hint=f"DATABASES has {', '.join(map(repr, connections))}.",
            id=UNKNOWN_OUTBOX_DATABASE,
        )
        for alias in _outbox_aliases()
        if alias not in connections
    ]


def check_deployment(app_configs: Configs, **_: Any) -> list[CheckMessage]:
    """W003: settings that are for development."""
    try:
        url = get_settings().url
    except ConfigurationError:
        return []
    if not url.startswith(EMBEDDED):
        return []
    hint = "Set STREAM_EVENTS['URL'] to a Redis server that outlives this machine's processes."
    return [CheckWarning("The embedded server is for development and tests.", hint=hint, id=EMBEDDED_IN_PRODUCTION)]


def check_outbox_tables(app_configs: Configs, **_: Any) -> list[CheckMessage]:
    """W004: a database that may hold an outbox has no table for it. One that cannot be asked is passed over."""
    return [
        CheckWarning(
            f"The outbox has no table in the database {alias!r}.",
            hint=f"Run {migrate_command(alias)}, or name the databases with an outbox in STREAM_EVENTS['OUTBOX'].",
            id=NO_OUTBOX_TABLE,
        )
        for alias in _outbox_aliases()
        if alias in connections and _lacks_table(alias)
    ]


CHECKS = (check_settings, check_handlers, check_publishers, check_outbox)
DEPLOYMENT_CHECKS = (check_deployment, check_outbox_tables)


def _path_messages() -> Iterator[CheckMessage]:
    """What is wrong with the settings of the admin that are dotted paths; the pages do without until it is mended."""
    admin = get_settings().admin
    for key, path, fits, what in (
        ("PAYLOAD_FORMATTER", admin.payload_formatter, callable, "function"),
        ("BASE_CLASS", admin.base_class, _is_model_admin, "ModelAdmin"),
    ):
        if not path:
            continue
        try:
            why = "" if fits(import_string(path)) else f"is no {what}"
        except Exception as error:  # noqa: BLE001 - whatever the module raises, it is the setting that leads there
            why = f"cannot be imported: {type(error).__name__}: {error}"
        if why:
            text = f"STREAM_EVENTS['ADMIN'][{key!r}] is {path!r}, which {why.rstrip('.')}."
            yield Error(text, hint="Give a dotted path, such as “mysite.streams.name”.", id=BAD_SETTING)


def _is_model_admin(found: object) -> bool:
    from django.contrib.admin import ModelAdmin  # a project may have no admin

    return isinstance(found, type) and issubclass(found, ModelAdmin)


def _outbox_aliases() -> list[str]:
    try:
        return outbox_aliases()
    except ConfigurationError:
        return []  # the check on settings says what is wrong


def _lacks_table(alias: str) -> bool:
    try:
        return not has_table(alias)
    except AnyDatabaseError:
        return False


def _names_no_model(obj_type: str) -> bool:
    label, _, name = obj_type.partition(".")
    if not name:
        return True
    try:
        apps.get_model(label, name)
    except LookupError:
        return apps.is_installed(label) or label in apps.app_configs
    return False


def _field_messages(publisher: StreamPublisher, model: type[Model]) -> Iterator[CheckMessage]:
    for name in publisher.fields:
        try:
            concrete_field(model, name)
        except FieldDoesNotExist:
            yield Error(
                f"{publisher!r} publishes {name!r}, which is no field of {model._meta.label} with a value.",
                hint="fields takes names of columns; properties and related objects have no place in it.",
                obj=model,
                id=BAD_PUBLISHER_FIELD,
            )
            continue
        if any(word in name.lower() for word in SENSITIVE):
            yield CheckWarning(
                f"{publisher!r} publishes {name!r} of {model._meta.label}: everyone who reads the stream sees it.",
                hint="Leave it out, or silence this check if it holds nothing secret.",
                obj=model,
                id=SENSITIVE_FIELD,
            )


def _outbox_messages(publisher: StreamPublisher, model: type[Model]) -> Iterator[CheckMessage]:
    try:
        aliases = outbox_aliases()
    except ConfigurationError:
        return  # the check on settings says what is wrong
    alias = router.db_for_write(model)
    if publisher.via == "outbox" and alias not in aliases:
        yield Error(
            f"{publisher!r} writes the events of {model._meta.label} to an outbox in the database {alias!r}, which has"
            " none.",
            hint=f"Let database routers and OUTBOX['DATABASES'] admit it, and run {migrate_command(alias)}.",
            obj=model,
            id=NO_OUTBOX,
        )


def _attribute_messages(publisher: StreamPublisher, model: type[Model]) -> Iterator[CheckMessage]:
    for owner, name in publisher.names.items():
        if issubclass(model, owner) and inspect.getattr_static(model, name, None) is not publisher:
            yield Error(
                f"The publisher {model._meta.label}.{name} is hidden by a relation of the same name.",
                hint="Rename the publisher, or give the relation that leads here another related_name.",
                obj=model,
                id=PUBLISHER_HIDDEN,
            )
