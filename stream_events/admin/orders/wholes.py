"""What can be ordered for whole streams, groups and consumers."""

from __future__ import annotations

from django.http import HttpRequest

from stream_events.admin.orders.pages import OrdersAdmin
from stream_events.operations.places import checked_id
from stream_events.operations.plans import Order, Target, Verb

IDS = "ids"  # in the URL: of the entries that are appended again


class StreamOrders(OrdersAdmin):
    """Of a stream, and of some of its entries."""

    verbs = (Verb.PUBLISH, Verb.REPLAY, Verb.TRIM, Verb.DELETE_STREAM)

    def order(self, request: HttpRequest, verb: Verb, *parts: str) -> Order | None:
        if len(parts) != 1:
            return None
        if verb is not Verb.REPLAY:
            return Order(verb=verb, stream=parts[0])
        ids = [one for text in request.GET.getlist(IDS) for one in text.split(",") if one]
        return Order(verb=verb, stream=parts[0], targets=tuple(Target(checked_id(one)) for one in ids))


class GroupOrders(OrdersAdmin):
    """Of a consumer group."""

    verbs = (Verb.RESET, Verb.DELETE_GROUP)

    def order(self, request: HttpRequest, verb: Verb, *parts: str) -> Order | None:
        if len(parts) != 2:
            return None
        stream, group = parts
        to = request.GET.get("to", "") if verb is Verb.RESET else ""
        return Order(verb=verb, stream=stream, group=group, options={"to": to} if to else {})


class ConsumerOrders(OrdersAdmin):
    """Of one consumer of a group."""

    verbs = (Verb.DELETE_CONSUMER,)

    def order(self, request: HttpRequest, verb: Verb, *parts: str) -> Order | None:
        if len(parts) != 3:
            return None
        stream, group, consumer = parts
        return Order(verb=verb, stream=stream, group=group, options={"consumer": consumer})
