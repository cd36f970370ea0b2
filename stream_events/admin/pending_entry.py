"""The page of one pending entry: why it is pending, what it carries, and what can be done about it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from stream_events.admin import pending_filters
from stream_events.admin.badges import badge
from stream_events.admin.display import UNKNOWN, duration, exact_moment, link, moment
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.orders.pages import OrdersAdmin
from stream_events.admin.payloads import headers, payload, shown_event
from stream_events.admin.pending_cells import consumer_cell, deliveries_cell, due_words
from stream_events.exceptions import ConfigurationError
from stream_events.models import ConsumerGroup, PendingEntry, Stream
from stream_events.operations.pending import PendingEntry as Pending
from stream_events.operations.pending import pending_entry
from stream_events.operations.plans import Order, Target, Verb


class PendingEntryPage(OrdersAdmin):
    """One pending entry, named by its stream, its group and its id."""

    detail_template = "admin/stream_events/pendingentry/detail.html"
    named_by = 3

    def order(self, request: HttpRequest, verb: Verb, *parts: str) -> Order | None:
        requeued = pending_filters.is_requeued(request)
        if len(parts) == 2:
            stream, group = parts
            where = pending_filters.where(request)
            return Order(verb=verb, stream=stream, group=group, where=where, requeued=requeued)
        found = self._find(request, *parts)
        if found is None:
            return None
        stream, group, entry_id = parts
        target = Target(entry_id, found.owner, found.delivery_count)
        return Order(verb=verb, stream=stream, group=group, targets=(target,), requeued=requeued)

    def detail_context(self, request: HttpRequest, *parts: str) -> dict[str, Any] | None:
        found = self._find(request, *parts)
        if found is None:
            return None
        stream, group, entry_id = parts
        links = self.links(request)
        shown = payload(request, found.fields) if found.fields is not None else None
        has_download = shown is not None and shown.text is not None and not pending_filters.is_requeued(request)
        return {
            "title": entry_id,
            "group_url": links.all(PendingEntry, group=object_id(stream, group)),
            "group_name": f"{stream} · {group}",
            "badge": badge(found.state),
            "due": due_words(found),
            "facts": [*_facts(found, links, stream, group), *self._event(request, found)],
            "error": found.error,
            "traceback": found.traceback,
            "payload": shown,
            "download_url": links.page(Stream, "payload", stream, entry_id) if has_download else "",
            "orders": self._orders(request, *parts),
            "history_url": links.page(PendingEntry, "history", *parts),
        }

    def _find(self, request: HttpRequest, *parts: str) -> Pending | None:
        if len(parts) != self.named_by:
            return None
        try:
            return pending_entry(*parts, requeued=pending_filters.is_requeued(request))
        except ConfigurationError:
            return None  # an id that no entry can have

    def _event(self, request: HttpRequest, entry: Pending) -> list[tuple[str, Any]]:
        if entry.fields is None:
            return []
        name = shown_event(request, entry.fields)
        return [(_("Event"), name or UNKNOWN), *headers(entry.fields)]

    def _orders(self, request: HttpRequest, *parts: str) -> list[tuple[str, str]]:
        query = {pending_filters.REQUEUED: "1"} if pending_filters.is_requeued(request) else {}
        words = {
            Verb.RETRY: _("Have handled now…"),
            Verb.ACK: _("Acknowledge…"),
            Verb.CLAIM: _("Give to another consumer…"),
            Verb.DEAD: _("Make a dead letter…"),
        }
        return self.links(request).orders(PendingEntry, words, *parts, **query)


def _facts(entry: Pending, links: Links, stream: str, group: str) -> list[tuple[str, Any]]:
    facts = [
        (_("Stream"), link(links.detail(Stream, stream), stream)),
        (_("Group"), link(links.detail(ConsumerGroup, stream, group), group)),
        (_("Entry"), link(links.page(Stream, "entry", stream, entry.entry_id), entry.entry_id)),
        (_("Added"), moment(entry.added_at)),
        (_("Time"), exact_moment(entry.added_at)),
        (_("Consumer"), consumer_cell(entry, links, stream, group)),
        (_("Idle"), duration(entry.idle)),
        (_("Deliveries"), deliveries_cell(entry)),
    ]
    if entry.due_at is not None:
        facts.append((_("Next try"), exact_moment(entry.due_at)))
    if entry.handlers:
        facts.append((_("Handlers that failed"), ", ".join(entry.handlers)))
    return facts
