"""The page “Pending entries”: what is in the hands of consumers, or waits for a retry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from stream_events.admin import pending_filters
from stream_events.admin.badges import badge
from stream_events.admin.chosen import ChosenGroupFilter, chosen_group, existing_groups, group_id
from stream_events.admin.display import UNKNOWN, aside, duration, link, moment, number
from stream_events.admin.moments import field_value
from stream_events.admin.orders.picking import PickingAdmin
from stream_events.admin.payloads import payload, shown_event
from stream_events.admin.pending_cells import consumer_cell, deliveries_cell, due_words, error_cell
from stream_events.admin.pending_entry import PendingEntryPage
from stream_events.admin.place import Place
from stream_events.conf import get_settings
from stream_events.models import PendingEntry
from stream_events.operations.pages import Budget, Page
from stream_events.operations.pending import pending_entries
from stream_events.operations.plans import Target, Verb


class PendingEntryAdmin(PendingEntryPage, PickingAdmin):
    """Entries of one group that were handed to a consumer and not acknowledged, oldest first."""

    list_display = ("entry", "event", "state", "error", "consumer", "idle", "deliveries", "preview")
    list_filter = (ChosenGroupFilter, *pending_filters.FILTERS)
    actions = ("retry", "ack", "claim", "dead")
    verbs = (Verb.RETRY, Verb.ACK, Verb.CLAIM, Verb.DEAD)

    def fetch(self, request: HttpRequest, place: Place) -> Page[Any]:
        group = chosen_group(request)
        if group is None:
            return Page()
        return pending_entries(
            group.stream,
            group.name,
            pending_filters.pending_filter(request),
            after=place.at,
            size=place.size,
            budget=Budget(rows=get_settings().admin.scan_budget),
            requeued=self.is_requeued(request),
        )

    def rows(self, request: HttpRequest, page: Page[Any]) -> list[Any]:
        group = chosen_group(request)
        names = (group.stream, group.name) if group else ()
        query = {pending_filters.REQUEUED: "1"} if self.is_requeued(request) else {}
        found = []
        for item in page.rows:
            row: Any = self.row(request, (*names, item))
            row.state, row.names, row.query = item, (*names, item.entry_id), query
            found.append(row)
        return found

    def name_parts(self, item: Any) -> tuple[str, ...]:
        stream, group, entry = item
        return stream, group, entry.entry_id

    def target(self, item: Any) -> Target:
        return Target(item.entry_id, item.owner, item.delivery_count)

    def where(self, request: HttpRequest) -> dict[str, str]:
        return pending_filters.where(request)

    def is_requeued(self, request: HttpRequest) -> bool:
        return pending_filters.is_requeued(request)

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        sought = {pending_filters.ERROR, pending_filters.SINCE, *Place.of(request).first()}
        return {
            "chosen": chosen_group(request),
            "choices": [(group_id(one), one, _how_many(one.pending)) for one in existing_groups(request)],
            "is_first_page": Place.of(request).is_first,
            "is_filtered": bool(pending_filters.where(request)),
            "is_requeued": self.is_requeued(request),
            "lease": duration(timedelta(seconds=get_settings().lease)),
            "sought_error": request.GET.get(pending_filters.ERROR, ""),
            "sought_since": field_value(request.GET.get(pending_filters.SINCE, "")),
            "kept": [(name, value) for name, value in request.GET.items() if name not in sought],
        }

    @admin.action(description=gettext_lazy("Have handled now…"), permissions=["retry"])
    def retry(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.RETRY)

    @admin.action(description=gettext_lazy("Acknowledge…"), permissions=["ack"])
    def ack(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.ACK)

    @admin.action(description=gettext_lazy("Give to another consumer…"), permissions=["claim"])
    def claim(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.CLAIM)

    @admin.action(description=gettext_lazy("Make dead letters…"), permissions=["dead"])
    def dead(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.DEAD)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.RETRY)

    def has_ack_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.ACK)

    def has_claim_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.CLAIM)

    def has_dead_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.DEAD)

    @admin.display(description=gettext_lazy("entry"))
    def entry(self, row: Any) -> SafeString:
        url = row.links.detail(PendingEntry, *row.names, **row.query)
        text = format_html("<code>{}</code>", row.state.entry_id)
        return format_html('{}<div class="help">{}</div>', link(url, text), moment(row.state.added_at))

    @admin.display(description=gettext_lazy("event"))
    def event(self, row: Any) -> str:
        return shown_event(row.request, row.state.fields) or UNKNOWN

    @admin.display(description=gettext_lazy("payload"))
    def preview(self, row: Any) -> SafeString | str:
        if row.state.fields is None:
            return _("Deleted: the stream was trimmed while the entry was pending.")
        return payload(row.request, row.state.fields).preview()

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> SafeString:
        return format_html("{}{}", badge(row.state.state), aside(due_words(row.state)))

    @admin.display(description=gettext_lazy("consumer"))
    def consumer(self, row: Any) -> SafeString | str:
        return consumer_cell(row.state, row.links, *row.names[:2])

    @admin.display(description=gettext_lazy("idle"))
    def idle(self, row: Any) -> str:
        return duration(row.state.idle)

    @admin.display(description=gettext_lazy("deliveries"))
    def deliveries(self, row: Any) -> str:
        return deliveries_cell(row.state)

    @admin.display(description=gettext_lazy("last error"))
    def error(self, row: Any) -> SafeString | str:
        return error_cell(row.state.error)


def _how_many(count: int) -> str:
    return ngettext("%s pending", "%s pending", count) % number(count)
