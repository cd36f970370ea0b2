"""Groups in one line, as links to their pages."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from stream_events.admin.badges import LOOKS, severity, word
from stream_events.admin.display import link, number
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.sentences import short_lag
from stream_events.models import ConsumerGroup, DeadLetter, PendingEntry
from stream_events.operations.inspection import GroupState


def group_chip(group: GroupState, links: Links) -> SafeString:
    """Name, health and lag of ``group``, such as “▼ billing 1,204 · 3 min”."""
    sign = LOOKS[type(group.health), group.health.value][1]
    text = format_html(
        '<span aria-hidden="true">{}</span> {} <span class="visually-hidden">({}) {}</span> <b>{}</b>',
        sign,
        group.name,
        word(group.health),
        _("lag:"),
        short_lag(group),
    )
    return format_html(
        '<span class="se-chip se-{}">{}</span>',
        severity(group.health),
        link(links.detail(ConsumerGroup, group.stream, group.name), text),
    )


def pending_link(group: GroupState, links: Links, text: str = "") -> SafeString | str:
    """The number of pending entries of ``group``, or ``text``, as a link to them."""
    url = links.all(PendingEntry, group=object_id(group.stream, group.name)) if group.pending else ""
    return link(url, text or number(group.pending))


def dead_link(group: GroupState, links: Links, *, named: bool = False) -> SafeString | str:
    """The number of dead letters of ``group`` as a link to them."""
    url = links.all(DeadLetter, group=object_id(group.stream, group.name)) if group.dead else ""
    text = f"{group.name} {number(group.dead)}" if named else number(group.dead)
    return link(url, text)
