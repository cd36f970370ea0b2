"""Dead letters as a file: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path

from stream_events.admin.access import may_see_payload
from stream_events.admin.letter_filters import letter_filter, where
from stream_events.admin.names import object_parts
from stream_events.admin.pages import RedisAdmin
from stream_events.admin.payloads import headers, payload
from stream_events.models import DeadLetter
from stream_events.operations.dead_letters import DeadLetter as Letter
from stream_events.operations.dead_letters import Requeue, letters_page
from stream_events.operations.inspection import GroupState
from stream_events.operations.pages import Page

SIZE = 200  # dead letters in one look


class LetterExport(RedisAdmin):
    """A download of all dead letters of a group that the filter lets through, newest first."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("<path:object_id>/export/", view, name="stream_events_deadletter_export"), *super().get_urls()]

    def export_url(self, request: HttpRequest, group: GroupState) -> str:
        """Where the list of ``request`` can be had; empty for those who may not see what events carry."""
        if not may_see_payload(request):
            return ""
        return self.links(request).page(DeadLetter, "export", group.stream, group.name, **where(request))

    def export_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The file. It is written while it is read, so that any number of dead letters fits."""
        if not may_see_payload(request) or request.method != "GET":
            raise PermissionDenied
        parts = object_parts(unquote(object_id))

        def view() -> Any:
            if len(parts) != 2:
                return self.unavailable(request, self.gone(*parts), status=404)
            first = _page(request, parts)  # a server that is down is said before the file begins
            response = StreamingHttpResponse(_lines(request, parts, first), content_type="application/x-ndjson")
            response["Content-Disposition"] = 'attachment; filename="dead-letters.ndjson"'
            response["X-Content-Type-Options"] = "nosniff"
            return response

        return self.guarded(request, view)


def _lines(request: HttpRequest, names: list[str], page: Page[Letter]) -> Iterator[str]:
    while True:
        for found in page.rows:
            yield f"{json.dumps(_plain(request, found), ensure_ascii=False)}\n"
        if page.after is None:
            return
        page = _page(request, names, page.after)


def _page(request: HttpRequest, names: list[str], before: str = "") -> Page[Letter]:
    stream, group = names
    return letters_page(stream, group, letter_filter(request), before=before, size=SIZE)


def _plain(request: HttpRequest, found: Letter) -> dict[str, Any]:
    return {
        "id": found.id,
        "entry_id": found.entry_id,
        "at": found.at.isoformat(),
        "reason": found.reason,
        "error": found.error,
        "traceback": found.traceback,
        "handler": found.handler,
        "consumer": found.consumer,
        "delivery_count": found.delivery_count,
        "requeues": [_requeue(one) for one in found.history],
        "headers": dict(headers(found.fields)),
        "payload": payload(request, found.fields).text,
    }


def _requeue(one: Requeue) -> dict[str, Any]:
    return {"at": one.at.isoformat() if one.at else None, "by": one.by, "error": one.error}
