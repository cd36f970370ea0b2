"""The page “Consumer groups”: how far each is behind, and who works for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.badges import badge
from stream_events.admin.charts import histories, sparkline
from stream_events.admin.chips import pending_link
from stream_events.admin.display import UNKNOWN, aside, link, moment, number
from stream_events.admin.filters import (
    HEALTH,
    LAG,
    RUNNING,
    HealthFilter,
    LagFilter,
    RunningFilter,
    is_yes_or_no,
    wanted,
)
from stream_events.admin.group import GroupPage
from stream_events.admin.names import object_id
from stream_events.admin.orders.wholes import GroupOrders
from stream_events.admin.place import Place
from stream_events.admin.sentences import consumers, lag, note, time_lag, why_unknown
from stream_events.admin.snapshot import known_states, part
from stream_events.events import entry_time
from stream_events.models import Consumer, Stream
from stream_events.operations.history import Point, take_sample
from stream_events.operations.inspection import GroupState, StreamState
from stream_events.operations.pages import Page

Pair = tuple[StreamState, GroupState]


class ConsumerGroupAdmin(GroupOrders, GroupPage):
    """One line for each group, those first that are behind for longest."""

    list_display = (
        "name",
        "stream",
        "health",
        "lag_entries",
        "lag_time",
        "pending",
        "oldest_pending",
        "consumers",
        "handled",
    )
    list_filter = (HealthFilter, RunningFilter, LagFilter)
    search_fields = ("id",)

    def fetch(self, request: HttpRequest, place: Place) -> Page[Pair]:
        return part(sorted(self._filtered(request), key=_most_late_first), place)

    def name_parts(self, item: Pair) -> tuple[str, ...]:
        return item[1].stream, item[1].name

    def rows(self, request: HttpRequest, page: Page[Pair]) -> list[Any]:
        found = super().rows(request, page)
        known = histories((group.stream, group.name) for _stream, group in page.rows)
        for row in found:
            row.stream_state, row.state = row.state
            row.history = known.get((row.state.stream, row.state.name), ())
        return found

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        take_sample()
        return {"is_empty": not any(state.groups for state in known_states(request))}

    def _filtered(self, request: HttpRequest) -> Iterator[Pair]:
        health, running, least = wanted(request, HEALTH), wanted(request, RUNNING), wanted(request, LAG)
        text = wanted(request, "q").casefold()
        for stream in known_states(request):
            for group in stream.groups:
                if health and group.health != health:
                    continue
                if not is_yes_or_no(running, bool(group.running)) or not _lags(group, least):
                    continue
                if text in f"{group.stream} {group.name}".casefold():
                    yield stream, group

    @admin.display(description=gettext_lazy("group"))
    def name(self, row: Any) -> SafeString:
        url = row.links.detail(self.model, row.state.stream, row.state.name)
        return format_html("<strong>{}</strong>{}", link(url, row.state.name), aside(note(row.state)))

    @admin.display(description=gettext_lazy("stream"))
    def stream(self, row: Any) -> SafeString | str:
        return link(row.links.detail(Stream, row.state.stream), row.state.stream)

    @admin.display(description=gettext_lazy("health"))
    def health(self, row: Any) -> SafeString:
        return badge(row.state.health)

    @admin.display(description=gettext_lazy("lag"))
    def lag_entries(self, row: Any) -> SafeString:
        if row.stream_state.problem:
            return format_html("{}{}", _("unknown"), aside(row.stream_state.problem))
        return format_html("{}{}", lag(row.state), aside(why_unknown(row.stream_state, row.state)))

    @admin.display(description=gettext_lazy("time lag"))
    def lag_time(self, row: Any) -> SafeString:
        text = _("unknown") if row.stream_state.problem else time_lag(row.state)
        return format_html("{}{}", text, aside(_trend(row.history)))

    @admin.display(description=gettext_lazy("pending"))
    def pending(self, row: Any) -> SafeString | str:
        return pending_link(row.state, row.links)

    @admin.display(description=gettext_lazy("oldest pending"))
    def oldest_pending(self, row: Any) -> SafeString | str:
        oldest = row.state.oldest_pending_id
        return moment(entry_time(oldest)) if oldest else UNKNOWN

    @admin.display(description=gettext_lazy("consumers"))
    def consumers(self, row: Any) -> SafeString | str:
        url = row.links.all(Consumer, group=object_id(row.state.stream, row.state.name)) if row.state.consumers else ""
        return link(url, consumers(row.state))

    @admin.display(description=gettext_lazy("handled a minute"))
    def handled(self, row: Any) -> SafeString | str:
        values = [point.handled for point in row.history]
        known = [value for value in values if value is not None]
        if not known:
            return UNKNOWN
        line = sparkline(values, _("Handled a minute"))
        return format_html('<span class="se-rate">{}</span> {}', number(round(known[-1])), line)


def _most_late_first(pair: Pair) -> tuple[timedelta, int, str, str]:
    _stream, group = pair
    return -(group.time_lag or timedelta(0)), -group.health.rank, group.stream, group.name


def _lags(group: GroupState, least: str) -> bool:
    if least == "unknown":
        return group.lag is None
    return not least.isdecimal() or (group.lag is not None and group.lag >= int(least))


def _trend(history: tuple[Point, ...]) -> str:
    """Whether the lag grows, over the last ten minutes that anything is known of."""
    known = [point.lag for point in history if point.lag is not None][-10:]
    if len(known) < 2 or known[0] == known[-1]:
        return ""
    return _("↗ growing") if known[-1] > known[0] else _("↘ shrinking")
