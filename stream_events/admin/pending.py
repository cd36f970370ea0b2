"""The page “Pending entries”."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.display import PAYLOAD_LIMIT, duration, moment, number
from stream_events.admin.names import object_id
from stream_events.admin.pages import RedisAdmin
from stream_events.admin.place import Place
from stream_events.conf import get_settings
from stream_events.operations.inspection import GroupState, known_streams, pending_page, stream_states
from stream_events.operations.pages import Page

GROUP = "group"
PREVIEW = 120  # characters of a payload that a list shows


class GroupFilter(admin.SimpleListFilter):
    """Chooses the group; there is no “All”, because a pending list belongs to one group."""

    title = gettext_lazy("group")
    parameter_name = GROUP

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(group_id(group), f"{group.stream} · {group.name}") for group in existing_groups(request)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        every = super().choices(changelist)
        next(every)
        return every


class PendingEntryAdmin(RedisAdmin):
    """Entries of one group that were handed to a consumer and not acknowledged, oldest first."""

    list_display = ("entry", "payload", "consumer", "due", "idle", "deliveries")
    list_filter = (GroupFilter,)

    def fetch(self, request: HttpRequest, place: Place) -> Page[Any]:
        group = chosen_group(request)
        if group is None:
            return Page()
        found = pending_page(group.stream, group.name, after=place.at, size=place.size)
        rows = tuple((group, state) for state in found.entries)
        return Page(rows=rows, total=found.total, after=found.after)

    def name_parts(self, item: Any) -> tuple[str, ...]:
        group, state = item
        return group.stream, group.name, state.entry_id

    def row(self, request: HttpRequest, item: Any) -> Any:
        row: Any = super().row(request, item)
        row.state = item[1]
        return row

    def changelist_context(self, request: HttpRequest) -> dict[str, Any]:
        group = chosen_group(request)
        return {
            "chosen": group,
            "choices": [(group_id(one), one) for one in existing_groups(request)],
            "is_first_page": Place.of(request).is_first,
            "lease": duration(timedelta(seconds=get_settings().lease)),
        }

    @admin.display(description=gettext_lazy("entry"))
    def entry(self, row: Any) -> SafeString:
        return format_html('<code>{}</code><div class="help">{}</div>', row.state.entry_id, moment(row.state.added_at))

    @admin.display(description=gettext_lazy("payload"))
    def payload(self, row: Any) -> SafeString | str:
        text = row.state.payload
        if text is None:
            return _("Deleted: the stream was trimmed while the entry was pending.")
        if len(text) <= PREVIEW:
            return format_html("<code>{}</code>", text)
        preview = Truncator(text).chars(PREVIEW)
        return format_html(
            '<details><summary><code>{}</code></summary><pre class="se-payload">{}</pre></details>',
            preview,
            text[:PAYLOAD_LIMIT],
        )

    @admin.display(description=gettext_lazy("consumer"))
    def consumer(self, row: Any) -> str:
        return str(row.state.consumer) or "–"

    @admin.display(description=gettext_lazy("due"))
    def due(self, row: Any) -> SafeString | str:
        if row.state.due_at is None:
            return "–"
        rest = row.state.due_at - datetime.now(UTC)
        if rest <= timedelta(0):
            return _("retry now")
        return format_html('{}<div class="help">{}</div>', _("retry in %s") % duration(rest), moment(row.state.due_at))

    @admin.display(description=gettext_lazy("idle"))
    def idle(self, row: Any) -> str:
        return duration(row.state.idle)

    @admin.display(description=gettext_lazy("deliveries"))
    def deliveries(self, row: Any) -> str:
        return number(row.state.delivery_count)


def group_id(group: GroupState) -> str:
    """How the group is named in a URL."""
    return object_id(group.stream, group.name)


def existing_groups(request: HttpRequest) -> list[GroupState]:
    """The groups that Redis knows, looked up once a request."""
    found: list[GroupState] | None = getattr(request, "_stream_events_groups", None)
    if found is None:
        states = stream_states(known_streams())
        found = [group for stream in states for group in stream.groups if group.exists]
        request._stream_events_groups = found  # type: ignore[attr-defined]
    return found


def chosen_group(request: HttpRequest) -> GroupState | None:
    """The group in the URL, or the only one there is."""
    groups = existing_groups(request)
    if GROUP not in request.GET and len(groups) == 1:
        return groups[0]
    return next((group for group in groups if group_id(group) == request.GET.get(GROUP)), None)
