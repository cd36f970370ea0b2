"""What pending entries look like, in the list and on their own pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from stream_events.admin.badges import word
from stream_events.admin.display import UNKNOWN, aside, duration, link, number
from stream_events.admin.links import Links
from stream_events.conf import get_settings
from stream_events.models import Consumer
from stream_events.operations.consumers import ConsumerState
from stream_events.operations.pending import EntryState, PendingEntry

LONGEST_ERROR = 120  # characters that a list shows

_CONSUMERS = {
    EntryState.PROCESSING: ConsumerState.RUNNING,
    EntryState.OVERDUE: ConsumerState.RUNNING,
    EntryState.ABANDONED: ConsumerState.GONE,
}


def due_words(entry: PendingEntry) -> str:
    """When the next try is due; empty for an entry that does not wait."""
    if entry.due_at is None:
        return ""
    rest = entry.due_at - datetime.now(UTC)
    if rest > timedelta(0):
        return _("retry in %s") % duration(rest)
    if entry.state is EntryState.OVERDUE:
        return _("due %s ago") % duration(-rest)
    return _("retry now")


def consumer_cell(entry: PendingEntry, links: Links, stream: str, group: str) -> SafeString | str:
    """Who holds the entry, and whether that consumer lives."""
    if not entry.consumer:
        return UNKNOWN
    name = link(links.detail(Consumer, stream, group, entry.consumer), entry.consumer)
    state = _CONSUMERS.get(entry.state)
    return format_html("{}{}", name, aside(word(state)) if state else "")


def deliveries_cell(entry: PendingEntry) -> str:
    """“3 of 8”: how often it was delivered, and how often it is before it becomes a dead letter."""
    if entry.is_fatal:
        return _("fatal")
    counts = {"count": number(entry.delivery_count), "most": number(get_settings().max_deliveries)}
    return _("%(count)s of %(most)s") % counts


def error_cell(error: str) -> SafeString | str:
    """The beginning of an error."""
    if not error:
        return UNKNOWN
    return format_html('<code title="{}">{}</code>', error, Truncator(error).chars(LONGEST_ERROR))
