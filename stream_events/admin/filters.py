"""Filters of lists whose rows are here already: they offer choices, and the page reads them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from stream_events.admin.badges import word
from stream_events.admin.display import number
from stream_events.admin.names import object_id
from stream_events.admin.snapshot import known_groups
from stream_events.operations.consumers import ConsumerState
from stream_events.operations.inspection import Health

HEALTH, DEAD, GROUP, STATE, RUNNING, LAG = "health", "dead", "group", "state", "running", "lag"


class ChoiceFilter(admin.SimpleListFilter):
    """Offers ``lookups`` and filters nothing itself."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class HealthFilter(ChoiceFilter):
    title = gettext_lazy("health")
    parameter_name = HEALTH

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(health.value, word(health)) for health in reversed(Health)]


class DeadLettersFilter(ChoiceFilter):
    title = gettext_lazy("dead letters")
    parameter_name = DEAD

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("has dead letters")), ("no", gettext_lazy("has none"))]


class RunningFilter(ChoiceFilter):
    title = gettext_lazy("consumers")
    parameter_name = RUNNING

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", gettext_lazy("none runs")), ("yes", gettext_lazy("some run"))]


class LagFilter(ChoiceFilter):
    title = gettext_lazy("lag")
    parameter_name = LAG

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", "≥ 1"), ("100", "≥ 100"), ("10000", f"≥ {number(10_000)}"), ("unknown", gettext_lazy("unknown"))]


class StateFilter(ChoiceFilter):
    title = gettext_lazy("state")
    parameter_name = STATE

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, word(state)) for state in ConsumerState]


class GroupFilter(ChoiceFilter):
    """One of the groups that there are."""

    title = gettext_lazy("group")
    parameter_name = GROUP

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        groups = [group for group in known_groups(request) if group.exists]
        return [(object_id(group.stream, group.name), f"{group.stream} · {group.name}") for group in groups]


def wanted(request: HttpRequest, name: str) -> str:
    """What the filter called ``name`` is set to; empty if it lets everything through."""
    return request.GET.get(name, "")


def is_yes_or_no(value: str, truth: bool) -> bool:
    """Whether something that is ``truth`` passes a filter of “yes” and “no” that is set to ``value``."""
    return value not in ("yes", "no") or (value == "yes") is truth
