"""The page of one entry: what it carries, and what every group has made of it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from stream_events.admin.access import may_see_payload
from stream_events.admin.badges import badge
from stream_events.admin.display import UNKNOWN, duration, exact_moment, link, moment, number
from stream_events.admin.links import Links
from stream_events.admin.payloads import headers, payload, shown_event
from stream_events.admin.pending_filters import REQUEUED
from stream_events.admin.place import checked
from stream_events.admin.stream import StreamPages
from stream_events.models import ConsumerGroup, DeadLetter, PendingEntry, Stream
from stream_events.operations.entries import GroupStatus, entry_statuses, stream_entry
from stream_events.operations.plans import Verb


class EntryPage(StreamPages):
    """One entry of a stream, named by the stream and its id."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<path:object_id>/entry/", view(self.entry_view), name="stream_events_stream_entry"),
            path("<path:object_id>/payload/", view(self.payload_view), name="stream_events_stream_payload"),
        ]
        return [*own, *super().get_urls()]

    def entry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The entry that the URL names."""
        return self.show(request, object_id, "admin/stream_events/stream/entry.html", self._entry, named_by=2)

    def payload_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the entry carries, all of it, as a file."""
        if not may_see_payload(request):
            raise PermissionDenied

        def answer(request: HttpRequest, stream: str, entry_id: str) -> HttpResponse | None:
            entry = stream_entry(stream, entry_id) if checked(entry_id) else None
            shown = payload(request, entry.fields) if entry else None
            if shown is None or shown.text is None:
                return None
            response = HttpResponse(shown.text, content_type="text/plain; charset=utf-8")
            response["Content-Disposition"] = f'attachment; filename="{entry_id}.txt"'
            response["X-Content-Type-Options"] = "nosniff"
            return response

        return self.show(request, object_id, "", answer, named_by=2)

    def _entry(self, request: HttpRequest, stream: str, entry_id: str) -> dict[str, Any] | None:
        entry = stream_entry(stream, entry_id) if checked(entry_id) else None
        if entry is None:
            return None
        links, shown = self.links(request), payload(request, entry.fields)
        facts = [
            (_("Stream"), link(links.detail(Stream, stream), stream)),
            (_("Entry"), entry_id),
            (_("Added"), moment(entry.added_at)),
            (_("Time"), exact_moment(entry.added_at)),
            (_("Event"), shown_event(request, entry.fields) or UNKNOWN),
        ]
        return {
            "title": entry_id,
            "stream": stream,
            "stream_url": links.detail(Stream, stream),
            "entries_url": links.page(Stream, "entries", stream),
            "facts": facts + headers(entry.fields),
            "payload": shown,
            "download_url": links.page(Stream, "payload", stream, entry_id) if shown.text is not None else "",
            "statuses": [_status(stream, one, links) for one in entry_statuses(stream, entry_id)],
            "orders": links.orders(Stream, {Verb.REPLAY: _("Append again…")}, stream, ids=entry_id),
        }


def _status(stream: str, status: GroupStatus, links: Links) -> dict[str, Any]:
    """How far one group is with the entry, and what can be done about it."""
    pending = status.pending
    row: dict[str, Any] = {
        "group": link(links.detail(ConsumerGroup, stream, status.group), status.group),
        "badge": badge(status.delivery),
        "orders": _orders(stream, status, links),
    }
    if pending is None:
        return row
    return row | {
        "state": badge(pending.state),
        "consumer": pending.consumer or UNKNOWN,
        "idle": duration(pending.idle),
        "due": moment(pending.due_at) if pending.due_at else "",
        "deliveries": number(pending.delivery_count),
        "error": pending.error,
    }


def _orders(stream: str, status: GroupStatus, links: Links) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if status.pending:
        words = {
            Verb.RETRY: _("Retry now…"),
            Verb.ACK: _("Acknowledge…"),
            Verb.CLAIM: _("Claim…"),
            Verb.DEAD: _("Make a dead letter…"),
        }
        held = status.pending.entry_id
        query = {REQUEUED: "1"} if held == status.requeued_id else {}
        found += links.orders(PendingEntry, words, stream, status.group, held, **query)
    if status.dead_letter_id:
        again = {Verb.REQUEUE: _("Have it handled again…")}
        found += links.orders(DeadLetter, again, stream, status.group, status.dead_letter_id)
    return found
