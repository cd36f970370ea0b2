"""The pages of one stream: what it looks like, and what is dangerous to do with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from stream_events.admin.access import has_order_permission, is_read_only
from stream_events.admin.badges import badge
from stream_events.admin.charts import chart
from stream_events.admin.chips import dead_link, pending_link
from stream_events.admin.display import UNKNOWN, duration, link, moment, number
from stream_events.admin.links import Links
from stream_events.admin.names import object_parts
from stream_events.admin.pages import RedisAdmin
from stream_events.admin.sentences import consumers, lag, note, start_command, time_lag, why_unknown
from stream_events.events import entry_time
from stream_events.models import ConsumerGroup, Stream
from stream_events.operations.inspection import GroupState, StreamState, stream_states
from stream_events.operations.plans import Verb

SKEW = timedelta(seconds=5)  # what clocks may differ by before a page says so
DANGEROUS = (Verb.TRIM, Verb.DELETE_STREAM)


class StreamPages(RedisAdmin):
    """The tabs of a stream that are about all of it."""

    detail_template = "admin/stream_events/stream/overview.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.danger_view)
        return [path("<path:object_id>/danger/", view, name="stream_events_stream_danger"), *super().get_urls()]

    def detail_context(self, request: HttpRequest, *parts: str) -> dict[str, Any] | None:
        (stream,) = parts
        state = stream_states([stream])[0]
        if not state.exists and not state.is_declared and not state.problem:
            return None
        links = self.links(request)
        return {
            "title": stream,
            "stream": state,
            "tabs": self.tabs(request, stream, "change"),
            "badge": badge(state.health),
            "facts": _facts(state),
            "clock_note": _clock_note(state),
            "groups": [_group_row(state, group, links) for group in state.groups],
            "command": start_command(stream),
            "publish_url": links.order(Stream, Verb.PUBLISH, stream),
            "chart": chart(request, stream, [group.name for group in state.groups if group.exists]),
        }

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        (stream, *_rest) = object_parts(unquote(object_id))
        return super().history_view(request, object_id, {"tabs": self.tabs(request, stream, "history")})

    def danger_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What takes entries away for good, for those who may."""
        return self.show(request, object_id, "admin/stream_events/stream/danger.html", self._danger)

    def tabs(self, request: HttpRequest, stream: str, current: str) -> list[tuple[str, str, bool]]:
        """The pages of ``stream``: name, URL, and whether it is the present one."""
        names = [("change", _("Overview")), ("entries", _("Entries"))]
        if _may_be_dangerous(request):
            names.append(("danger", _("Danger zone")))
        names.append(("history", _("Log")))
        links = self.links(request)
        return [(text, links.page(Stream, name, stream), name == current) for name, text in names]

    def _danger(self, request: HttpRequest, stream: str) -> dict[str, Any] | None:
        if not _may_be_dangerous(request):
            return None
        links = self.links(request)
        return {
            "title": stream,
            "tabs": self.tabs(request, stream, "danger"),
            "reason": _("Read-only: nothing is changed from these pages.") if is_read_only() else "",
            "orders": [
                (
                    _("Trim…"),
                    links.order(Stream, Verb.TRIM, stream),
                    _("Deletes the oldest entries. A page shows first which groups have not read them yet."),
                ),
                (
                    _("Delete stream…"),
                    links.order(Stream, Verb.DELETE_STREAM, stream),
                    _("Deletes all entries, all groups, and what is pending in them."),
                ),
            ],
        }


def _may_be_dangerous(request: HttpRequest) -> bool:
    return any(has_order_permission(request, verb) for verb in DANGEROUS)


def _facts(state: StreamState) -> list[tuple[str, Any]]:
    """What Redis counts of the stream; nothing for one that is not there."""
    if not state.exists:
        return []
    return [
        (_("Entries"), number(state.length)),
        (_("Added ever"), UNKNOWN if state.added is None else number(state.added)),
        (_("Deleted or trimmed"), UNKNOWN if state.added is None else number(max(state.added - state.length, 0))),
        (_("First entry"), moment(entry_time(state.first_id)) if state.first_id else UNKNOWN),
        (_("Last entry"), moment(state.last_entry_at) if state.last_entry_at else UNKNOWN),
    ]


def _clock_note(state: StreamState) -> str:
    """What is wrong with an entry that was added in the future."""
    ahead = state.last_entry_at - datetime.now(UTC) if state.last_entry_at else timedelta(0)
    if ahead < SKEW:
        return ""
    return _("The last entry is %s in the future: clocks differ, and so ages and the time lag are wrong.") % duration(
        ahead
    )


def _group_row(state: StreamState, group: GroupState, links: Links) -> dict[str, Any]:
    return {
        "name": link(links.detail(ConsumerGroup, group.stream, group.name), group.name),
        "badge": badge(group.health),
        "note": note(group),
        "lag": lag(group),
        "why_unknown": why_unknown(state, group),
        "time_lag": time_lag(group),
        "pending": pending_link(group, links),
        "dead": dead_link(group, links),
        "consumers": consumers(group),
    }
