"""The “Stream events” section of Django's admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model

from stream_events.admin.outbox import OutboxEventAdmin
from stream_events.admin.pending import PendingEntryAdmin
from stream_events.admin.streams import StreamAdmin
from stream_events.models import OutboxEvent, PendingEntry, Stream

__all__ = ["register"]

PAGES: dict[type[Model], type[admin.ModelAdmin[Any]]] = {
    Stream: StreamAdmin,
    PendingEntry: PendingEntryAdmin,
    OutboxEvent: OutboxEventAdmin,
}


def register(site: admin.AdminSite, base: type[admin.ModelAdmin[Any]] = admin.ModelAdmin) -> None:
    """Put the section on ``site``; ``base`` is the ModelAdmin that a theme wants its pages to inherit from.

    The default site has it already; registering there again replaces it.
    """
    for model, page in PAGES.items():
        if site.is_registered(model):
            site.unregister(model)
        site.register(model, page if base is admin.ModelAdmin else type(page.__name__, (page, base), {}))


register(admin.site)
