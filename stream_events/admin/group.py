"""The page of one consumer group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from stream_events.admin import pending_filters
from stream_events.admin.badges import badge
from stream_events.admin.charts import chart
from stream_events.admin.chips import dead_link, pending_link
from stream_events.admin.display import UNKNOWN, duration, link, moment, number
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.pages import RedisAdmin
from stream_events.admin.sentences import consumers, lag, note, start_command, time_lag, why_unknown
from stream_events.events import entry_time
from stream_events.models import Consumer, ConsumerGroup, PendingEntry, Stream
from stream_events.operations.consumers import ConsumerInfo, group_consumers
from stream_events.operations.inspection import GroupState, StreamState, stream_states
from stream_events.operations.plans import Verb
from stream_events.operations.spread import Spread, pending_spread

IDLE_FOR = 600  # seconds after which an entry is offered to another consumer


class GroupPage(RedisAdmin):
    """One group: facts, history, consumers, and what is pending."""

    detail_template = "admin/stream_events/consumergroup/detail.html"
    named_by = 2

    def detail_context(self, request: HttpRequest, *parts: str) -> dict[str, Any] | None:
        stream, name = parts
        state = stream_states([stream])[0]
        group = next((one for one in state.groups if one.name == name), None)
        if group is None:
            return None
        links = self.links(request)
        found = group_consumers(stream, name) if group.exists else []
        return {
            "title": f"{stream} · {name}",
            "group": group,
            "badge": badge(group.health),
            "note": note(group),
            "command": "" if group.running else start_command(stream, name),
            "facts": _facts(state, group, links),
            "consumers": [consumer_row(one, links) for one in found],
            "spread": _spread(pending_spread(stream, name)) if group.pending else None,
            "pending_url": links.all(PendingEntry, group=object_id(stream, name)),
            "orders": _orders(group, links),
            "history_url": links.page(ConsumerGroup, "history", stream, name),
            "chart": chart(request, stream, [name]) if group.exists else None,
        }


def consumer_row(consumer: ConsumerInfo, links: Links) -> dict[str, Any]:
    """One consumer in a table of its group."""
    group = object_id(consumer.stream, consumer.group)
    url = links.all(PendingEntry, group=group, consumer=consumer.name) if consumer.pending else ""
    return {
        "name": link(links.detail(Consumer, consumer.stream, consumer.group, consumer.name), consumer.name),
        "badge": badge(consumer.state),
        "pending": link(url, number(consumer.pending)),
        "oldest": moment(entry_time(consumer.oldest)) if consumer.oldest else UNKNOWN,
        "idle": duration(consumer.idle),
        "inactive": UNKNOWN if consumer.inactive is None else duration(consumer.inactive),
    }


def _facts(state: StreamState, group: GroupState, links: Links) -> list[tuple[str, Any]]:
    why = why_unknown(state, group)
    return [
        (_("Stream"), link(links.detail(Stream, group.stream), group.stream)),
        (_("Lag"), f"{lag(group)} – {why}" if why else lag(group)),
        (_("Time lag"), time_lag(group)),
        (_("Pending"), pending_link(group, links)),
        (_("Waiting for a retry"), number(group.waiting)),
        (_("Dead letters"), dead_link(group, links)),
        (_("Requeued dead letters under way"), number(group.requeued)),
        (_("Consumers that run, of those known"), consumers(group)),
        (_("Last delivered entry"), group.last_delivered_id or UNKNOWN),
        (_("Entries read"), UNKNOWN if group.entries_read is None else number(group.entries_read)),
    ]


def _orders(group: GroupState, links: Links) -> list[tuple[str, str]]:
    """What can be done with the group, as far as the user may."""
    if not group.exists:
        return []
    parts = group.stream, group.name
    idle = {pending_filters.IDLE: str(IDLE_FOR)}
    found = [
        (_("Claim idle…"), links.order(PendingEntry, Verb.CLAIM, *parts, **idle) if group.pending else ""),
        (_("Reset position…"), links.order(ConsumerGroup, Verb.RESET, *parts)),
        (_("Skip to end…"), links.order(ConsumerGroup, Verb.RESET, *parts, to="$")),
        (_("Delete group…"), links.order(ConsumerGroup, Verb.DELETE_GROUP, *parts)),
    ]
    return [(text, url) for text, url in found if url]


def _spread(spread: Spread) -> dict[str, Any]:
    """Two tables of numbers, and of how many entries they tell."""
    ages = (_("up to 1 min"), _("1 to 10 min"), _("10 to 60 min"), _("more than 1 h"))
    deliveries = (_("once"), _("twice"), _("3 or 4 times"), _("5 times or more"))
    shown = {"seen": number(spread.seen), "total": number(spread.total)}
    text = _("All %(total)s.") if spread.seen >= spread.total else _("The first %(seen)s of %(total)s.")
    return {
        "scope": text % shown,
        "tables": [
            (_("Pending entries by age"), _bars(ages, spread.ages)),
            (_("Pending entries by deliveries"), _bars(deliveries, spread.deliveries)),
        ],
    }


def _bars(names: Iterable[str], counts: tuple[int, ...]) -> list[tuple[str, str, int, int]]:
    """Name, number, value and highest value of each bar."""
    return [(name, number(count), count, max(*counts, 1)) for name, count in zip(names, counts, strict=True)]
