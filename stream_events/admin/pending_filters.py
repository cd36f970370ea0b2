"""The filters of the page “Pending entries”."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from stream_events.admin.badges import word
from stream_events.admin.chosen import chosen_group
from stream_events.admin.display import duration
from stream_events.admin.filters import ChoiceFilter, wanted
from stream_events.admin.moments import entry_id_of
from stream_events.conf import get_settings
from stream_events.operations import filters
from stream_events.operations.consumers import ConsumerState, group_consumers
from stream_events.operations.pending import EntryState, PendingFilter

CONSUMER, STATE, IDLE, DELIVERIES, ERROR, SINCE = "consumer", "state", "min_idle", "min_deliveries", "error", "since"
REQUEUED = "requeued"

MOST_CONSUMERS = 50  # that are offered; any other can be written into the URL
LONGEST = 200  # characters of what an error is looked for

_IDLE = (60, 600, 3600, 86400)
_DELIVERIES = (2, 3, 5)


class SourceFilter(ChoiceFilter):
    title = gettext_lazy("entries")
    parameter_name = REQUEUED

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", gettext_lazy("requeued dead letters"))] if chosen_group(request) else []

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        every = super().choices(changelist)
        yield next(every) | {"display": gettext_lazy("of the stream")}
        yield from every


class EntryStateFilter(ChoiceFilter):
    title = gettext_lazy("state")
    parameter_name = STATE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, word(state)) for state in EntryState] if chosen_group(request) else []


class ConsumerFilter(ChoiceFilter):
    title = gettext_lazy("consumer")
    parameter_name = CONSUMER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        group = chosen_group(request)
        known = group_consumers(group.stream, group.name) if group else []
        names = [one.name for one in known if one.pending and one.state is not ConsumerState.WAITING]
        return [(name, name) for name in names[:MOST_CONSUMERS]]


class IdleFilter(ChoiceFilter):
    title = gettext_lazy("idle for")
    parameter_name = IDLE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not chosen_group(request):
            return []
        return [(str(seconds), f"≥ {duration(timedelta(seconds=seconds))}") for seconds in _IDLE]


class DeliveriesFilter(ChoiceFilter):
    title = gettext_lazy("deliveries")
    parameter_name = DELIVERIES

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if not chosen_group(request):
            return []
        counts = sorted({*_DELIVERIES, get_settings().max_deliveries})
        return [(str(count), f"≥ {count}") for count in counts]


FILTERS = (SourceFilter, EntryStateFilter, ConsumerFilter, IdleFilter, DeliveriesFilter)


def is_requeued(request: HttpRequest) -> bool:
    """Whether the entries are those that were requeued to the group."""
    return wanted(request, REQUEUED) == "1"


def where(request: HttpRequest) -> dict[str, str]:
    """The filter in the URL, as orders have it; what makes no sense in it is left out."""
    found = {
        CONSUMER: wanted(request, CONSUMER),
        STATE: wanted(request, STATE) if wanted(request, STATE) in list(EntryState) else "",
        IDLE: _number(wanted(request, IDLE)),
        DELIVERIES: _number(wanted(request, DELIVERIES)),
        ERROR: wanted(request, ERROR)[:LONGEST],
        SINCE: entry_id_of(wanted(request, SINCE)),
    }
    return {name: value for name, value in found.items() if value}


def pending_filter(request: HttpRequest) -> PendingFilter:
    """The same for the list."""
    return filters.pending_filter(where(request))


def _number(text: str) -> str:
    return text if text.isascii() and text.isdecimal() and len(text) <= 9 else ""
