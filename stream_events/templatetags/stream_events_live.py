"""What the template of the live refresh needs to know."""

from __future__ import annotations

from contextlib import suppress

from django import template

from stream_events.conf import AdminSettings, get_settings
from stream_events.exceptions import ConfigurationError

CHOICES = (5, 15, 60)  # seconds
USUAL = 15

register = template.Library()


@register.simple_tag
def refresh_choices() -> list[tuple[float, bool]]:
    """The seconds between two refreshes that one may choose, and whether that is the usual choice."""
    floor = min_refresh()
    found: list[float] = [seconds for seconds in CHOICES if seconds >= floor]
    found = found or [int(floor) if floor == int(floor) else floor]
    usual = USUAL if USUAL in found else found[0]
    return [(seconds, seconds == usual) for seconds in found]


@register.simple_tag
def min_refresh() -> float:
    """The seconds that must lie between two refreshes."""
    with suppress(ConfigurationError):  # the page says so
        return get_settings().admin.min_refresh
    return AdminSettings().min_refresh
