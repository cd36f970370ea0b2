"""The page “Outbox events”."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Never

import redis
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from stream_events.admin.access import may_see_payload
from stream_events.admin.display import UNKNOWN, duration, exact_moment, moment, number, readable_json
from stream_events.admin.pages import ReadOnlyAdmin
from stream_events.admin.payloads import shown_payload
from stream_events.conf import get_settings
from stream_events.connections import explain, safe_url
from stream_events.exceptions import ConfigurationError, StreamEventsError
from stream_events.operations.backlog import AGE, COUNTED, Backlog, outbox_backlogs
from stream_events.operations.inspection import server_version
from stream_events.publishing.outbox_databases import outbox_aliases

DATABASE = "database"
CARRIED = ("object_key", "action")  # which the payload says as well
LATE = 60.0  # seconds after which an operator is told why events may wait


class OutboxPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the oldest events. Rows go while they are looked at, so a page beyond the end is the last one."""

    @cached_property
    def count(self) -> int:
        events: Any = self.object_list
        return int(events.order_by()[:COUNTED].count())

    def validate_number(self, number: int | float | str) -> int:
        return min(max(int(number), 1), self.num_pages)


class OutboxChangeList(ChangeList):
    """The events of one database, without what may be long."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        return {}  # no index serves a lookup

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        return super().get_queryset(request, exclude_parameters).defer("payload", "headers")

    def url_for_result(self, result: Any) -> str:
        return f"{super().url_for_result(result)}?{urlencode({DATABASE: result._state.db})}"


class OutboxEventAdmin(ReadOnlyAdmin):
    """Events that still have to be appended to their streams, oldest first."""

    list_display = ("position", "stream", "object_key", "action", "created")
    ordering = ("position",)
    paginator = OutboxPaginator
    fields = ("position", "event_id", "stream", "object_key", "action", "created", "event_payload", "event_headers")
    readonly_fields = fields
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        events: QuerySet[Any] = super().get_queryset(request).using(chosen_alias(request)).annotate(age=AGE)
        return events

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OutboxChangeList

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return _seen_by(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return _seen_by(request, self.fields)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        view = super().changelist_view
        return self._page(request, lambda context: view(request, context | extra))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        view = super().changeform_view
        extra = {**self.section_context(request), **(extra_context or {})}
        return self._page(request, lambda _context: view(request, object_id, form_url, extra))

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        found: Any = super().get_object(request, *args, **kwargs)
        if found is not None:
            found.carries = shown_payload(request, found.payload.encode())
        return found

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Never:
        raise PermissionDenied

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Never:
        raise PermissionDenied  # nobody changes what is here

    def _page(self, request: HttpRequest, view: Callable[[dict[str, Any]], HttpResponse]) -> HttpResponse:
        """What ``view`` makes of the backlogs, or a page that says why the chosen database shows nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            backlogs = {backlog.alias: backlog for backlog in outbox_backlogs()}
            chosen = backlogs.get(chosen_alias(request) or "")
        except ConfigurationError as error:
            return self.unavailable(request, _("Stream events is not set up to have an outbox."), explain(error))
        context: dict[str, Any] = {
            "chosen": chosen,
            "backlogs": [(backlog.alias, _summary(backlog)) for backlog in backlogs.values()],
            "explanation": _explanation() if any(backlog.age > LATE for backlog in backlogs.values()) else "",
        }
        problem = chosen.problem if chosen else _("No database may hold an outbox.")
        if problem:
            return self.unavailable(request, problem, **context)
        return view(context)

    @admin.display(description=gettext_lazy("stream"))
    def stream(self, row: Any) -> str:
        return str(row.aggregatetype)

    @admin.display(description=gettext_lazy("object"))
    def object_key(self, row: Any) -> str:
        return str(row.aggregateid)

    @admin.display(description=gettext_lazy("action"))
    def action(self, row: Any) -> str:
        return str(row.type)

    @admin.display(description=gettext_lazy("created at"))
    def created(self, row: Any) -> SafeString:
        at = datetime.now(UTC) - row.age
        return format_html("{} · {}", exact_moment(at), moment(at))

    @admin.display(description=gettext_lazy("payload"))
    def event_payload(self, row: Any) -> SafeString | str:
        return row.carries.summary() if row.carries.text is None else readable_json(row.carries.text)

    @admin.display(description=gettext_lazy("headers"))
    def event_headers(self, row: Any) -> SafeString | str:
        return readable_json(row.headers) if row.headers else UNKNOWN


def _seen_by(request: HttpRequest, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in CARRIED or may_see_payload(request))


def chosen_alias(request: HttpRequest) -> str | None:
    """The database in the URL, or the first that may hold an outbox."""
    aliases = outbox_aliases()
    wanted = request.GET.get(DATABASE)
    return wanted if wanted in aliases else next(iter(aliases), None)


def _summary(backlog: Backlog) -> str:
    if backlog.problem or not backlog.count:
        return backlog.problem or _("No events wait.")
    text = ngettext(
        "%(count)s event waits, for %(age)s.",
        "%(count)s events wait, the oldest for %(age)s.",
        backlog.count,
    )
    count = f"{number(backlog.count)}{'+' if backlog.has_more else ''}"
    return text % {"count": count, "age": duration(timedelta(seconds=backlog.age))}


def _explanation() -> str:
    """Why events wait for longer than usual, as far as a look at Redis tells."""
    try:
        server_version()
    except (redis.RedisError, StreamEventsError):
        return _(
            "Events are usually sent within seconds. Redis does not answer at %s. When it does, they are sent by any"
            " consumer or relay that runs; none of them is lost."
        ) % safe_url(get_settings().url)
    return _(
        "Events are usually sent within seconds. Redis answers: either nothing sends them, so start a consumer or"
        " “python manage.py runrelay”; or Redis refuses them, and the log of the consumer or the relay says why."
    )
