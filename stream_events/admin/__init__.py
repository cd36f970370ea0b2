"""The “Stream events” section of Django's admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from stream_events.admin.pending import PendingEntryAdmin
from stream_events.admin.streams import StreamAdmin
from stream_events.models import PendingEntry, Stream

__all__ = ["register"]


def register(site: admin.AdminSite, base: type[admin.ModelAdmin[Any]] = admin.ModelAdmin) -> None:
    """Put the section on ``site``; ``base`` is the ModelAdmin that a theme wants its pages to inherit from.

    The default site has it already; registering there again replaces it.
    """
    for model, page in ((Stream, StreamAdmin), (PendingEntry, PendingEntryAdmin)):
        if site.is_registered(model):
            site.unregister(model)
        site.register(model, page if base is admin.ModelAdmin else type(page.__name__, (page, base), {}))


register(admin.site)
