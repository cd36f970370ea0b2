"""The filters of the page “Dead letters”."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.access import may_see_payload
from stream_events.admin.chosen import chosen_group
from stream_events.admin.display import number
from stream_events.admin.filters import ChoiceFilter, wanted
from stream_events.admin.letter_words import REASONS
from stream_events.admin.moments import entry_id_of
from stream_events.operations import filters
from stream_events.operations.dead_letters import LetterFilter, error_classes
from stream_events.operations.pages import Budget
from stream_events.registry import handlers

ERROR, REASON, HANDLER, EVENT, SINCE, UNTIL = "error", "reason", "handler", "event", "since", "until"

COUNTED = Budget(rows=1000, seconds=0.05)  # dead letters of which the errors are counted
MOST_CLASSES = 20
LONGEST = 200  # characters


class ErrorFilter(ChoiceFilter):
    """The classes of errors among the newest dead letters, those that are most frequent first."""

    title = gettext_lazy("error")
    parameter_name = ERROR

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        counts, _is_all = _classes(request)
        found = list(counts.items())[:MOST_CLASSES]
        return [(name, f"{name} ({number(count)})") for name, count in found if name]


class ReasonFilter(ChoiceFilter):
    title = gettext_lazy("reason")
    parameter_name = REASON

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(REASONS.items()) if chosen_group(request) else []


class HandlerFilter(ChoiceFilter):
    title = gettext_lazy("handler")
    parameter_name = HANDLER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        group = chosen_group(request)
        if group is None:
            return []
        names = {one.name for one in handlers if (one.stream, one.group) == (group.stream, group.name)}
        return [(name, name) for name in sorted(names)]


FILTERS = (ErrorFilter, ReasonFilter, HandlerFilter)


def classes_note(request: HttpRequest) -> str:
    """Of how many dead letters the errors were counted, unless that were all."""
    counts, is_all = _classes(request)
    return "" if is_all else _("Errors are counted among the newest %s dead letters.") % number(sum(counts.values()))


def where(request: HttpRequest) -> dict[str, str]:
    """The filter in the URL, as orders have it; what makes no sense in it is left out."""
    names = (ERROR, REASON, HANDLER, *([EVENT] if may_see_payload(request) else ()))  # the payload names the event
    found = {name: wanted(request, name)[:LONGEST].strip() for name in names}
    found |= {SINCE: entry_id_of(wanted(request, SINCE)), UNTIL: entry_id_of(wanted(request, UNTIL))}
    return {name: value for name, value in found.items() if value}


def letter_filter(request: HttpRequest) -> LetterFilter:
    """The same for the list."""
    return filters.letter_filter(where(request))


def _classes(request: HttpRequest) -> tuple[dict[str, int], bool]:
    """The classes of errors of the chosen group, counted once a request."""
    holder: Any = request
    if not hasattr(holder, "_stream_events_classes"):
        group = chosen_group(request)
        found = error_classes(group.stream, group.name, COUNTED) if group else ({}, True)
        holder._stream_events_classes = found
    counted: tuple[dict[str, int], bool] = holder._stream_events_classes
    return counted
