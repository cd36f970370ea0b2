"""The page “Streams”, where an operator begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.badges import badge
from stream_events.admin.charts import histories, sparkline
from stream_events.admin.chips import dead_link, group_chip, pending_link
from stream_events.admin.display import UNKNOWN, aside, moment, number
from stream_events.admin.entries import EntryPages
from stream_events.admin.filters import DEAD, HEALTH, DeadLettersFilter, HealthFilter, is_yes_or_no, wanted
from stream_events.admin.links import Links
from stream_events.admin.orders.wholes import StreamOrders
from stream_events.admin.overview import overview
from stream_events.admin.place import Place
from stream_events.admin.sentences import note
from stream_events.admin.snapshot import known_states, part
from stream_events.events import entry_time
from stream_events.keys import NO_GROUP
from stream_events.operations.history import take_sample
from stream_events.operations.inspection import StreamState, discover_streams, stream_states
from stream_events.operations.pages import Page
from stream_events.operations.plans import Verb

DISCOVER = "discover"


class StreamAdmin(StreamOrders, EntryPages):
    """One line for each stream of the project, those first that need somebody."""

    list_display = ("name", "health", "length", "incoming", "groups", "oldest_pending", "dead_letters", "last_entry")
    list_filter = (HealthFilter, DeadLettersFilter)
    search_fields = ("id",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.publish_view)
        return [path("publish/", view, name="stream_events_stream_publish"), *super().get_urls()]

    def fetch(self, request: HttpRequest, place: Place) -> Page[StreamState]:
        if DISCOVER in request.GET:
            found = discover_streams(after=place.at if place.at.isdecimal() else "")
            return Page(rows=tuple(stream_states(found.rows)), after=found.after, scanned=found.scanned)
        states = sorted(self._filtered(request), key=lambda state: (-state.health.rank, state.name))
        return part(states, place)

    def name_parts(self, item: StreamState) -> tuple[str, ...]:
        return (item.name,)

    def rows(self, request: HttpRequest, page: Page[StreamState]) -> list[Any]:
        found = super().rows(request, page)
        known = histories((state.name, NO_GROUP) for state in page.rows)
        for row in found:
            row.history = known.get((row.state.name, NO_GROUP), ())
        return found

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        links = self.links(request)
        if DISCOVER in request.GET:
            return {"is_discovery": True, "title": _("Streams in Redis"), "own_url": links.all(self.model)}
        take_sample()
        states = known_states(request)
        return {"overview": overview(states, links), "is_empty": not states, "publish_url": self._publish_url(links)}

    def publish_view(self, request: HttpRequest) -> HttpResponse:
        """Which stream a test event is for; the event itself is written on a page of that stream."""

        def view() -> HttpResponse:
            links = self.links(request)
            choices = [(one.name, links.order(self.model, Verb.PUBLISH, one.name)) for one in known_states(request)]
            context = self.page_context(request, title=_("Publish test event"), choices=choices)
            return TemplateResponse(request, "admin/stream_events/stream/publish.html", context)

        return self.guarded(request, view)

    def _publish_url(self, links: Links) -> str:
        may_publish = links.order(self.model, Verb.PUBLISH, "any")
        return f"{links.all(self.model)}publish/" if may_publish else ""

    def _filtered(self, request: HttpRequest) -> Iterator[StreamState]:
        health, dead, text = wanted(request, HEALTH), wanted(request, DEAD), wanted(request, "q").casefold()
        for state in known_states(request):
            if (health and state.health != health) or text not in state.name.casefold():
                continue
            if is_yes_or_no(dead, any(group.dead for group in state.groups)):
                yield state

    @admin.display(description=gettext_lazy("stream"))
    def name(self, row: Any) -> SafeString:
        state = row.state
        if state.problem:
            text = state.problem
        elif not state.exists:
            text = _("Not created yet – appears with the first event.")
        else:
            text = "" if state.is_declared else _("Not declared by this project.")
        url = row.links.detail(self.model, state.name)
        return format_html('<strong><a href="{}">{}</a></strong>{}', url, state.name, aside(text))

    @admin.display(description=gettext_lazy("health"))
    def health(self, row: Any) -> SafeString:
        return badge(row.state.health)

    @admin.display(description=gettext_lazy("length"))
    def length(self, row: Any) -> str:
        return UNKNOWN if row.state.problem else number(row.state.length)

    @admin.display(description=gettext_lazy("in a minute"))
    def incoming(self, row: Any) -> SafeString | str:
        values = [point.incoming for point in row.history]
        known = [value for value in values if value is not None]
        if not known:
            return UNKNOWN
        line = sparkline(values, _("New entries a minute"))
        return format_html('<span class="se-rate">{}</span> {}', number(round(known[-1])), line)

    @admin.display(description=gettext_lazy("groups"))
    def groups(self, row: Any) -> SafeString:
        if not row.state.groups:
            command = f"python manage.py runconsumer {row.state.name} GROUP"
            return format_html('{}<div class="help"><code>{}</code></div>', _("Nothing reads this stream."), command)
        chips = [(group_chip(group, row.links), aside(note(group))) for group in row.state.groups]
        return format_html_join("", '<div class="se-chips">{}{}</div>', chips)

    @admin.display(description=gettext_lazy("oldest pending"))
    def oldest_pending(self, row: Any) -> SafeString | str:
        pending = [group for group in row.state.groups if group.oldest_pending_id]
        if not pending:
            return UNKNOWN
        oldest = min(pending, key=lambda group: entry_time(group.oldest_pending_id))
        return pending_link(oldest, row.links, moment(entry_time(oldest.oldest_pending_id)))

    @admin.display(description=gettext_lazy("dead letters"))
    def dead_letters(self, row: Any) -> SafeString | str:
        dead = [group for group in row.state.groups if group.dead]
        is_one = len(row.state.groups) == 1
        lines = [(dead_link(group, row.links, named=not is_one),) for group in dead]
        return format_html_join("", "<div>{}</div>", lines) if dead else number(0)

    @admin.display(description=gettext_lazy("last entry"))
    def last_entry(self, row: Any) -> SafeString | str:
        return moment(row.state.last_entry_at) if row.state.last_entry_at else UNKNOWN
