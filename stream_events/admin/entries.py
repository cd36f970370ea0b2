"""The page “Entries” of a stream: newest first, from any time on, as any group sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from stream_events.admin.access import may_see_payload
from stream_events.admin.badges import badge
from stream_events.admin.display import exact_moment, moment, number
from stream_events.admin.entry import EntryPage
from stream_events.admin.links import Links
from stream_events.admin.payloads import payload, shown_event
from stream_events.admin.place import SIZE, SIZES, checked, page_size
from stream_events.conf import get_settings
from stream_events.models import Stream
from stream_events.operations.entries import StreamEntry, stream_entries
from stream_events.operations.inspection import StreamState, stream_states
from stream_events.operations.pages import Budget, Page
from stream_events.operations.places import behind, entry_id_at, last_place, place_at

BEFORE, AFTER, TIME, ID, GROUP, CONTAINS = "before", "after", "time", "id", "group", "contains"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a stream is shown: what is older than ``before``, or else newer than ``after``."""

    before: str = ""
    after: str = ""
    problem: str = ""  # what was wrong with the time or the id that was asked for

    @classmethod
    def of(cls, request: HttpRequest) -> Window:
        """The window in the URL of ``request``; where it makes no sense, the newest entries."""
        wanted_id, wanted_time = request.GET.get(ID, "").strip(), request.GET.get(TIME, "").strip()
        if after := checked(request.GET.get(AFTER, "")):
            return cls(after=after)
        if before := checked(request.GET.get(BEFORE, "")):
            return cls(before=before)
        if wanted_id:
            return cls._from_id(wanted_id)
        return cls._from_time(wanted_time) if wanted_time else cls()

    @classmethod
    def _from_id(cls, wanted: str) -> Window:
        if not checked(wanted):
            return cls(problem=_("“%(id)s” is no entry id; ids look like 1767225600000-0.") % {"id": wanted})
        return cls(before=entry_id_at(behind(last_place(wanted))))

    @classmethod
    def _from_time(cls, wanted: str) -> Window:
        """The entries up to ``wanted``, that second or minute included."""
        problem = _("“%s” is no time; write it like 2026-01-31T14:05.") % wanted
        try:
            moment = parse_datetime(wanted)
        except ValueError:
            return cls(problem=problem)
        if moment is None:
            return cls(problem=problem)
        step = timedelta(minutes=1) if wanted.count(":") < 2 else timedelta(seconds=1)
        try:
            if timezone.is_naive(moment):
                moment = timezone.make_aware(moment, timezone.get_current_timezone())
            return cls(before=place_at(moment + step))
        except OverflowError:  # at the end of the calendar
            return cls(problem=problem)

    @property
    def is_newest(self) -> bool:
        return not self.before and not self.after


class EntryPages(EntryPage):
    """The list of entries, a tab of the stream."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.entries_view)
        return [path("<path:object_id>/entries/", view, name="stream_events_stream_entries"), *super().get_urls()]

    def entries_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The entries of the stream that the URL names."""
        return self.show(request, object_id, "admin/stream_events/stream/entries.html", self._entries)

    def _entries(self, request: HttpRequest, stream: str) -> dict[str, Any] | None:
        state = stream_states([stream])[0]
        if not state.exists and not state.is_declared and not state.problem:
            return None
        window, groups = Window.of(request), [group.name for group in state.groups if group.exists]
        group = request.GET.get(GROUP, "") if request.GET.get(GROUP) in groups else ""
        contains = request.GET.get(CONTAINS, "") if may_see_payload(request) else ""
        page = _page(request, state, window, group, contains)
        newest_first = page.rows if window.before or window.is_newest else page.rows[::-1]
        links = self.links(request)
        return {
            "title": stream,
            "stream": state,
            "tabs": self.tabs(request, stream, "entries"),
            "window": window,
            "entries": [_row(request, stream, entry, links) for entry in newest_first],
            "groups": groups,
            "chosen": {GROUP: group, CONTAINS: contains, TIME: request.GET.get(TIME, ""), ID: request.GET.get(ID, "")},
            "may_see_payload": may_see_payload(request),
            "total": number(state.length),
            "scanned": number(page.scanned) if page.is_cut else "",
            "size": page_size(request),
            "sizes": [(size, _query(request, **{SIZE: str(size)})) for size in SIZES],
            **_ways(request, window, page, newest_first),
        }


def _page(request: HttpRequest, state: StreamState, window: Window, group: str, contains: str) -> Page[StreamEntry]:
    if state.problem:
        return Page()
    return stream_entries(
        state.name,
        before=window.before,
        after=window.after,
        size=page_size(request),
        group=group,
        contains=contains,
        budget=Budget(rows=get_settings().admin.scan_budget),
    )


def _ways(
    request: HttpRequest, window: Window, page: Page[StreamEntry], newest_first: tuple[StreamEntry, ...]
) -> dict[str, str]:
    """The query strings of where one can go on from here; empty where there is nothing more."""
    first, last = (newest_first[0].entry_id, newest_first[-1].entry_id) if newest_first else ("", "")
    if window.after:
        newer, older = page.after or "", last or window.after
    else:
        newer, older = "" if window.is_newest else first or window.before, page.after or ""
    return {
        "newest": "" if window.is_newest else _query(request),
        "newer": _query(request, **{AFTER: newer}) if newer else "",
        "older": _query(request, **{BEFORE: older}) if older else "",
    }


def _query(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    for name in (BEFORE, AFTER, TIME, ID):
        query.pop(name, None)
    for name, value in changes.items():
        query[name] = value
    return f"?{query.urlencode()}"


def _row(request: HttpRequest, stream: str, entry: StreamEntry, links: Links) -> dict[str, Any]:
    shown = payload(request, entry.fields)
    return {
        "id": entry.entry_id,
        "url": links.page(Stream, "entry", stream, entry.entry_id),
        "time": exact_moment(entry.added_at),
        "age": moment(entry.added_at),
        "event": shown_event(request, entry.fields),
        "preview": shown.preview(),
        "size": filesizeformat(shown.size),
        "badge": badge(entry.delivery) if entry.delivery else "",
    }
