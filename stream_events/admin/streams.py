"""The page “Streams”."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.display import moment, number
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.pages import RedisAdmin
from stream_events.admin.place import Place
from stream_events.models import PendingEntry
from stream_events.operations.inspection import GroupState, StreamState, known_streams, stream_states
from stream_events.operations.pages import Page


class StreamAdmin(RedisAdmin):
    """One line for each stream of the project; a line of its cells for each group."""

    list_display = ("name", "length", "groups", "lag", "pending", "last_entry")

    def fetch(self, request: HttpRequest, place: Place) -> Page[StreamState]:
        states = stream_states(known_streams())
        return Page(rows=tuple(states), total=len(states))

    def name_parts(self, item: StreamState) -> tuple[str, ...]:
        return (item.name,)

    @admin.display(description=gettext_lazy("stream"))
    def name(self, row: Any) -> SafeString:
        if row.state.problem:
            note = row.state.problem
        elif not row.state.exists:
            note = _("Not created yet: it appears with the first event.")
        else:
            note = ""
        return format_html('<strong>{}</strong><div class="help">{}</div>', row.state.name, note)

    @admin.display(description=gettext_lazy("length"))
    def length(self, row: Any) -> str:
        return number(row.state.length)

    @admin.display(description=gettext_lazy("groups"))
    def groups(self, row: Any) -> SafeString | str:
        if not row.state.groups:
            return _("Nothing reads this stream.")
        return _lines(row, lambda group: group.name if group.exists else _("%s (not started yet)") % group.name)

    @admin.display(description=gettext_lazy("lag"))
    def lag(self, row: Any) -> SafeString:
        return _lines(row, lambda group: _("unknown") if group.lag is None else number(group.lag))

    @admin.display(description=gettext_lazy("pending"))
    def pending(self, row: Any) -> SafeString:
        return _lines(row, lambda group: _pending_link(group, row.links))

    @admin.display(description=gettext_lazy("last entry"))
    def last_entry(self, row: Any) -> SafeString | str:
        return moment(row.state.last_entry_at) if row.state.last_entry_at else "–"


def _lines(row: Any, show: Callable[[GroupState], str]) -> SafeString:
    return format_html_join("", '<div class="se-line">{}</div>', ((show(group),) for group in row.state.groups))


def _pending_link(group: GroupState, links: Links) -> SafeString | str:
    url = links.all(PendingEntry, group=object_id(group.stream, group.name)) if group.pending else ""
    return format_html('<a href="{}">{}</a>', url, number(group.pending)) if url else number(group.pending)
