"""The page “Streams”."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.display import moment, number
from stream_events.admin.pages import RedisAdmin, RedisChangeList
from stream_events.admin.pending import GROUP, group_id
from stream_events.models import Stream
from stream_events.operations.inspection import GroupState, StreamState, known_streams, stream_states


class StreamAdmin(RedisAdmin):
    """One line for each stream of the project; a line of its cells for each group."""

    list_display = ("name", "length", "groups", "lag", "pending", "last_entry")

    def rows(self, request: HttpRequest, changelist: RedisChangeList) -> tuple[Sequence[Stream], int, None]:
        states = stream_states(known_streams())
        return [_row(state, self.admin_site) for state in states], len(states), None

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
        return _lines(row, lambda group: _pending_link(group, row.site))

    @admin.display(description=gettext_lazy("last entry"))
    def last_entry(self, row: Any) -> SafeString | str:
        return moment(row.state.last_entry_at) if row.state.last_entry_at else "–"


def _row(state: StreamState, site: admin.AdminSite) -> Stream:
    row = Stream(id=state.name)
    row.state, row.site = state, site  # type: ignore[attr-defined]
    return row


def _lines(row: Any, show: Callable[[GroupState], str]) -> SafeString:
    return format_html_join("", '<div class="se-line">{}</div>', ((show(group),) for group in row.state.groups))


def _pending_link(group: GroupState, site: admin.AdminSite) -> SafeString | str:
    if not group.pending:
        return number(group.pending)
    url = reverse("admin:stream_events_pendingentry_changelist", current_app=site.name)
    query = urlencode({GROUP: group_id(group)})
    return format_html('<a href="{}?{}">{}</a>', url, query, number(group.pending))
