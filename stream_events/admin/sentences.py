"""What the pages say about groups, in words; what nobody knows is never 0."""

from __future__ import annotations

from datetime import timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from stream_events.admin.display import duration, number
from stream_events.operations.inspection import GroupState, Health, StreamState


def lag(group: GroupState) -> str:
    """How many entries the group has not read."""
    return _("unknown") if group.lag is None else number(group.lag)


def why_unknown(stream: StreamState, group: GroupState) -> str:
    """Why Redis does not tell the lag of ``group``; empty if it does."""
    if group.lag is not None or group.problem or not group.exists:
        return ""
    if stream.added is None:
        return _("this server does not count it: Redis does from 7.0 on")
    return _("entries were deleted ahead of this group; Redis reports it again once the group catches up")


def time_lag(group: GroupState) -> str:
    """How old the first entry is that the group has not read."""
    if group.time_lag is None:
        return _("unknown")
    return duration(group.time_lag) if group.time_lag else "0"


def short_lag(group: GroupState) -> str:
    """Both in a few characters, such as “1,204 · 3 min”; nothing for a group that has nothing to start with."""
    if not group.exists and not group.lag:
        return ""
    if not group.time_lag:
        return lag(group)
    return f"{lag(group)} · {short_duration(group.time_lag)}"


def short_duration(value: timedelta) -> str:
    """``value`` in its largest unit."""
    return " ".join(duration(value).split(" ")[:2])


def consumers(group: GroupState) -> str:
    """How many consumers run, of those that Redis knows."""
    return f"{number(group.running)}/{number(max(group.consumers, group.running))}"


def note(group: GroupState) -> str:
    """What an operator has to know about the consumers of ``group``; empty if all is well."""
    if group.problem:
        return group.problem
    if group.is_deleted:
        return _("Deleted by an operator: its consumers do not make it again by themselves.")
    if not group.exists:
        return _("Not started yet – it is created by its first consumer.")
    if group.running or group.health is not Health.STALLED:
        return ""
    if not group.last_consumer or group.last_seen is None:
        return _("Nobody is consuming.")
    return _("Nobody is consuming. Last seen %(consumer)s, %(age)s ago.") % {
        "consumer": group.last_consumer,
        "age": short_duration(group.last_seen),
    }


def start_command(stream: str, group: str = "GROUP") -> SafeString:
    """How a consumer of ``group`` is started, to copy."""
    return format_html('<pre class="se-payload se-command">python manage.py runconsumer {} {}</pre>', stream, group)
