"""The “Stream events” section of Django's admin."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.utils.module_loading import import_string

from stream_events.admin.consumers import ConsumerAdmin
from stream_events.admin.dead_letters import DeadLetterAdmin
from stream_events.admin.groups import ConsumerGroupAdmin
from stream_events.admin.outbox import OutboxEventAdmin
from stream_events.admin.pending import PendingEntryAdmin
from stream_events.admin.streams import StreamAdmin
from stream_events.conf import AdminSettings, get_settings
from stream_events.exceptions import ConfigurationError
from stream_events.models import Consumer, ConsumerGroup, DeadLetter, OutboxEvent, PendingEntry, Stream

__all__ = ["register"]

PAGES: dict[type[Model], type[admin.ModelAdmin[Any]]] = {
    Stream: StreamAdmin,
    ConsumerGroup: ConsumerGroupAdmin,
    PendingEntry: PendingEntryAdmin,
    DeadLetter: DeadLetterAdmin,
    Consumer: ConsumerAdmin,
    OutboxEvent: OutboxEventAdmin,
}


def register(site: admin.AdminSite, base: type[admin.ModelAdmin[Any]] = admin.ModelAdmin) -> None:
    """Put the section on ``site``; ``base`` is the ModelAdmin that a theme wants its pages to inherit from.

    The default site has it already, unless the settings say otherwise; registering there again replaces it.
    """
    for model, page in PAGES.items():
        if site.is_registered(model):
            site.unregister(model)
        site.register(model, page if base is admin.ModelAdmin else type(page.__name__, (page, base), {}))


def _register_by_settings() -> None:
    try:
        settings = get_settings().admin
    except ConfigurationError:
        settings = AdminSettings()  # the check on settings says what is wrong, and so do the pages
    if settings.register:
        register(admin.site, _base_class(settings.base_class))


def _base_class(path: str) -> type[admin.ModelAdmin[Any]]:
    """The class at ``path``; the plain one where there is none: the check on settings says what is wrong."""
    with suppress(Exception):
        found = import_string(path)
        if isinstance(found, type) and issubclass(found, admin.ModelAdmin):
            return found
    return admin.ModelAdmin


_register_by_settings()
