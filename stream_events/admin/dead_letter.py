"""The page of one dead letter: what went wrong, what it carries, and how often it was requeued."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from stream_events.admin import letter_filters
from stream_events.admin.badges import badge
from stream_events.admin.display import UNKNOWN, exact_moment, link, moment, number
from stream_events.admin.letter_words import reason_word, requeues
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.orders.pages import OrdersAdmin
from stream_events.admin.payloads import headers, payload, shown_event
from stream_events.exceptions import ConfigurationError
from stream_events.models import ConsumerGroup, DeadLetter, Stream
from stream_events.operations.dead_letters import DeadLetter as Letter
from stream_events.operations.dead_letters import letter
from stream_events.operations.entries import Delivery
from stream_events.operations.plans import Order, Target, Verb


class DeadLetterPage(OrdersAdmin):
    """One dead letter, named by its stream, its group and its own id, which is not that of the entry."""

    detail_template = "admin/stream_events/deadletter/detail.html"
    named_by = 3

    def order(self, request: HttpRequest, verb: Verb, *parts: str) -> Order | None:
        if len(parts) == 2:
            stream, group = parts
            return Order(verb=verb, stream=stream, group=group, where=letter_filters.where(request))
        if self._find(*parts) is None:
            return None
        stream, group, letter_id = parts
        return Order(verb=verb, stream=stream, group=group, targets=(Target(letter_id),))

    def detail_context(self, request: HttpRequest, *parts: str) -> dict[str, Any] | None:
        found = self._find(*parts)
        if found is None:
            return None
        stream, group, letter_id = parts
        links = self.links(request)
        name = shown_event(request, found.fields)
        return {
            "title": letter_id,
            "group_url": links.all(DeadLetter, group=object_id(stream, group)),
            "group_name": f"{stream} · {group}",
            "badge": badge(Delivery.DEAD),
            "reason": reason_word(found.reason),
            "facts": [*_facts(found, links, stream, group), (_("Event"), name or UNKNOWN), *headers(found.fields)],
            "error": found.error,
            "traceback": found.traceback,
            "payload": payload(request, found.fields),
            "requeues": requeues(found),
            "history": [
                (exact_moment(one.at) if one.at else UNKNOWN, one.by or UNKNOWN, one.error) for one in found.history
            ],
            "orders": self._orders(links, *parts),
            "history_url": links.page(DeadLetter, "history", *parts),
        }

    def _find(self, *parts: str) -> Letter | None:
        if len(parts) != self.named_by:
            return None
        try:
            return letter(*parts)
        except ConfigurationError:
            return None  # a name that nothing can have

    def _orders(self, links: Links, *parts: str) -> list[tuple[str, str]]:
        words = {
            Verb.REQUEUE: _("Have handled again by this group…"),
            Verb.REPLAY: _("Append again, for every group…"),
            Verb.DISCARD: _("Delete…"),
        }
        return links.orders(DeadLetter, words, *parts)


def _facts(found: Letter, links: Links, stream: str, group: str) -> list[tuple[str, Any]]:
    return [
        (_("Stream"), link(links.detail(Stream, stream), stream)),
        (_("Group"), link(links.detail(ConsumerGroup, stream, group), group)),
        (_("Dead letter"), found.id),
        (_("Entry"), link(links.page(Stream, "entry", stream, found.entry_id), found.entry_id) or UNKNOWN),
        (_("Dead since"), moment(found.at)),
        (_("Time"), exact_moment(found.at)),
        (_("Handler"), found.handler or UNKNOWN),
        (_("Consumer"), found.consumer or UNKNOWN),
        (_("Deliveries"), number(found.delivery_count) if found.delivery_count else UNKNOWN),
    ]
