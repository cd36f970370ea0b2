"""The page “Dead letters”: what could not be handled, and why."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from stream_events.admin import letter_filters
from stream_events.admin.access import may_see_payload
from stream_events.admin.chosen import ChosenGroupFilter, chosen_group, existing_groups, group_id
from stream_events.admin.dead_letter import DeadLetterPage
from stream_events.admin.display import UNKNOWN, aside, link, moment, number
from stream_events.admin.letter_export import LetterExport
from stream_events.admin.letter_words import reason_word, requeues
from stream_events.admin.moments import field_value
from stream_events.admin.orders.picking import PickingAdmin
from stream_events.admin.payloads import payload, shown_event
from stream_events.admin.pending_cells import error_cell
from stream_events.admin.place import Place
from stream_events.conf import get_settings
from stream_events.models import DeadLetter
from stream_events.operations.dead_letters import letters_page
from stream_events.operations.pages import Budget, Page
from stream_events.operations.plans import Target, Verb


class DeadLetterAdmin(DeadLetterPage, LetterExport, PickingAdmin):
    """Dead letters of one group, newest first."""

    list_display = ("letter", "event", "error", "reason", "handler", "deliveries", "preview")
    list_filter = (ChosenGroupFilter, *letter_filters.FILTERS)
    place_parameter = "before"
    actions = ("requeue", "discard", "replay")
    verbs = (Verb.REQUEUE, Verb.DISCARD, Verb.REPLAY)

    def fetch(self, request: HttpRequest, place: Place) -> Page[Any]:
        group = chosen_group(request)
        if group is None:
            return Page()
        return letters_page(
            group.stream,
            group.name,
            letter_filters.letter_filter(request),
            before=place.at,
            size=place.size,
            budget=Budget(rows=get_settings().admin.scan_budget),
        )

    def rows(self, request: HttpRequest, page: Page[Any]) -> list[Any]:
        group = chosen_group(request)
        names = (group.stream, group.name) if group else ()
        found = []
        for item in page.rows:
            row: Any = self.row(request, (*names, item))
            row.state, row.names = item, (*names, item.id)
            found.append(row)
        return found

    def name_parts(self, item: Any) -> tuple[str, ...]:
        stream, group, letter = item
        return stream, group, letter.id

    def target(self, item: Any) -> Target:
        return Target(item.id)

    def where(self, request: HttpRequest) -> dict[str, str]:
        return letter_filters.where(request)

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        sought = {letter_filters.SINCE, letter_filters.UNTIL, letter_filters.EVENT, *Place.of(request).first()}
        group = chosen_group(request)
        return {
            "chosen": group,
            "choices": [(group_id(one), one, _how_many(one.dead)) for one in existing_groups(request)],
            "is_first_page": Place.of(request, self.place_parameter).is_first,
            "is_filtered": bool(letter_filters.where(request)),
            "classes_note": letter_filters.classes_note(request),
            "has_event": may_see_payload(request),
            "sought_event": request.GET.get(letter_filters.EVENT, ""),
            "sought_since": field_value(request.GET.get(letter_filters.SINCE, "")),
            "sought_until": field_value(request.GET.get(letter_filters.UNTIL, "")),
            "kept": [(name, value) for name, value in request.GET.items() if name not in sought],
            "export_url": self.export_url(request, group) if group else "",
        }

    @admin.action(description=gettext_lazy("Have handled again by this group…"), permissions=["requeue"])
    def requeue(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.REQUEUE)

    @admin.action(description=gettext_lazy("Delete…"), permissions=["discard"])
    def discard(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.DISCARD)

    @admin.action(description=gettext_lazy("Append again, for every group…"), permissions=["replay"])
    def replay(self, request: HttpRequest, _queryset: Any) -> HttpResponse | None:
        return self.order_picked(request, Verb.REPLAY)

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.REQUEUE)

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.DISCARD)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.REPLAY)

    @admin.display(description=gettext_lazy("dead since"))
    def letter(self, row: Any) -> SafeString:
        url = row.links.detail(DeadLetter, *row.names)
        entry = aside(_("entry %s") % row.state.entry_id)
        return format_html("{}{}{}", link(url, moment(row.state.at)), aside(row.state.id), entry)

    @admin.display(description=gettext_lazy("event"))
    def event(self, row: Any) -> str:
        return shown_event(row.request, row.state.fields) or UNKNOWN

    @admin.display(description=gettext_lazy("error"))
    def error(self, row: Any) -> SafeString:
        return format_html("{}{}", error_cell(row.state.error), aside(requeues(row.state)))

    @admin.display(description=gettext_lazy("reason"))
    def reason(self, row: Any) -> str:
        return reason_word(row.state.reason)

    @admin.display(description=gettext_lazy("handler"))
    def handler(self, row: Any) -> str:
        return row.state.handler or UNKNOWN

    @admin.display(description=gettext_lazy("deliveries"))
    def deliveries(self, row: Any) -> str:
        return number(row.state.delivery_count) if row.state.delivery_count else UNKNOWN

    @admin.display(description=gettext_lazy("payload"))
    def preview(self, row: Any) -> SafeString:
        return payload(row.request, row.state.fields).preview()


def _how_many(count: int) -> str:
    return ngettext("%s dead letter", "%s dead letters", count) % number(count)
