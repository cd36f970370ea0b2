"""The group that a list is of: pending entries and dead letters belong to one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.http import urlencode

from stream_events.admin import filters
from stream_events.admin.names import object_id, object_parts
from stream_events.admin.snapshot import known_groups
from stream_events.exceptions import ConfigurationError
from stream_events.operations.inspection import GroupState, group_state

GROUP = filters.GROUP


def group_id(group: GroupState) -> str:
    """How the group is named in a URL."""
    return object_id(group.stream, group.name)


def existing_groups(request: HttpRequest) -> list[GroupState]:
    """Those that have something to show."""
    return [group for group in known_groups(request) if group.exists or group.dead]


def chosen_group(request: HttpRequest) -> GroupState | None:
    """The group in the URL, or the only one there is."""
    holder: Any = request
    if not hasattr(holder, "_stream_events_group"):
        holder._stream_events_group = _chosen(request)
    found: GroupState | None = holder._stream_events_group
    return found


def _chosen(request: HttpRequest) -> GroupState | None:
    groups = existing_groups(request)
    wanted = request.GET.get(GROUP)
    if wanted is None:
        return groups[0] if len(groups) == 1 else None
    found = next((group for group in groups if group_id(group) == wanted), None)
    return found or _undeclared(wanted)


def _undeclared(wanted: str) -> GroupState | None:
    """A group of a stream that the project does not know."""
    parts = object_parts(wanted)
    if len(parts) != 2 or not all(parts):
        return None
    try:
        found = group_state(*parts)
    except ConfigurationError:
        return None
    return found if found.exists or found.dead else None


class ChosenGroupFilter(filters.ChoiceFilter):
    """Chooses the group, and lets go of what was chosen of another one. There is no “All”."""

    title = filters.GroupFilter.title
    parameter_name = GROUP

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self._chosen = chosen_group(request)
        return [(group_id(group), f"{group.stream} · {group.name}") for group in existing_groups(request)]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, text in self.lookup_choices:
            is_chosen = self._chosen is not None and group_id(self._chosen) == value
            yield {"selected": is_chosen, "query_string": f"?{urlencode({GROUP: value})}", "display": text}
