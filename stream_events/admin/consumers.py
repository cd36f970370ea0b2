"""The page “Consumers”: which live, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stream_events.admin.badges import badge
from stream_events.admin.display import UNKNOWN, duration, exact_moment, link, moment, number
from stream_events.admin.filters import GROUP, STATE, GroupFilter, StateFilter, wanted
from stream_events.admin.links import Links
from stream_events.admin.names import object_id
from stream_events.admin.orders.wholes import ConsumerOrders
from stream_events.admin.payloads import payload
from stream_events.admin.place import Place
from stream_events.admin.snapshot import part
from stream_events.events import entry_time
from stream_events.models import Consumer, ConsumerGroup, PendingEntry, Stream
from stream_events.operations.consumers import ConsumerInfo, ConsumerState, consumers, group_consumers
from stream_events.operations.inspection import known_streams
from stream_events.operations.pages import Page
from stream_events.operations.pending import PendingEntry as Held
from stream_events.operations.pending import PendingFilter, pending_entries
from stream_events.operations.plans import Verb

HELD = 20  # entries of a consumer that its page shows


class ConsumerAdmin(ConsumerOrders):
    """One line for each consumer, those first that hold most."""

    list_display = ("name", "group", "state", "place", "pending", "oldest", "idle", "inactive")
    list_filter = (GroupFilter, StateFilter)
    search_fields = ("id",)
    detail_template = "admin/stream_events/consumer/detail.html"
    named_by = 3

    def fetch(self, request: HttpRequest, place: Place) -> Page[ConsumerInfo]:
        return part(list(self._filtered(request)), place)

    def name_parts(self, item: ConsumerInfo) -> tuple[str, ...]:
        return item.stream, item.group, item.name

    def _filtered(self, request: HttpRequest) -> Iterator[ConsumerInfo]:
        group, state, text = wanted(request, GROUP), wanted(request, STATE), wanted(request, "q").casefold()
        for one in sorted(consumers(known_streams()), key=lambda one: -one.pending):
            if group and object_id(one.stream, one.group) != group:
                continue
            if (not state or one.state == state) and text in one.name.casefold():
                yield one

    def detail_context(self, request: HttpRequest, *parts: str) -> dict[str, Any] | None:
        stream, group, name = parts
        consumer = next((one for one in group_consumers(stream, group) if one.name == name), None)
        if consumer is None:
            return None
        links, group_id = self.links(request), object_id(stream, group)
        held = pending_entries(stream, group, PendingFilter(consumer=name), size=HELD)
        return {
            "title": name,
            "consumer": consumer,
            "badge": badge(consumer.state),
            "note": _note(consumer),
            "facts": _facts(consumer, links),
            "held": [_held(request, consumer, entry, links) for entry in held.rows],
            "held_url": links.all(PendingEntry, group=group_id, consumer=name) if held.after else "",
            "orders": links.orders(Consumer, {Verb.DELETE_CONSUMER: _("Delete consumer…")}, *parts),
            "history_url": links.page(Consumer, "history", stream, group, name),
        }

    @admin.display(description=gettext_lazy("consumer"))
    def name(self, row: Any) -> SafeString:
        return format_html("<strong>{}</strong>", link(_url(row.state, row.links), row.state.name))

    @admin.display(description=gettext_lazy("group"))
    def group(self, row: Any) -> SafeString | str:
        url = row.links.detail(ConsumerGroup, row.state.stream, row.state.group)
        return link(url, f"{row.state.stream} · {row.state.group}")

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Any) -> SafeString:
        return badge(row.state.state)

    @admin.display(description=gettext_lazy("host and process"))
    def place(self, row: Any) -> str:
        return _place(row.state)

    @admin.display(description=gettext_lazy("pending"))
    def pending(self, row: Any) -> SafeString | str:
        group = object_id(row.state.stream, row.state.group)
        url = row.links.all(PendingEntry, group=group, consumer=row.state.name) if row.state.pending else ""
        return link(url, number(row.state.pending))

    @admin.display(description=gettext_lazy("oldest"))
    def oldest(self, row: Any) -> SafeString | str:
        return moment(entry_time(row.state.oldest)) if row.state.oldest else UNKNOWN

    @admin.display(description=gettext_lazy("idle"))
    def idle(self, row: Any) -> str:
        return duration(row.state.idle)

    @admin.display(description=gettext_lazy("inactive"))
    def inactive(self, row: Any) -> str:
        return UNKNOWN if row.state.inactive is None else duration(row.state.inactive)


def _url(consumer: ConsumerInfo, links: Links) -> str:
    return links.detail(Consumer, consumer.stream, consumer.group, consumer.name)


def _place(consumer: ConsumerInfo) -> str:
    if not consumer.host:
        return UNKNOWN
    return f"{consumer.host}:{consumer.pid}" if consumer.pid else consumer.host


def _note(consumer: ConsumerInfo) -> str:
    """What its state means for what it holds."""
    match consumer.state:
        case ConsumerState.RUNNING:
            return ""
        case ConsumerState.GONE if consumer.pending:
            return _("It gives no sign of life. Another consumer of the group takes over what it holds.")
        case ConsumerState.GONE:
            return _("It gives no sign of life, and holds nothing.")
        case ConsumerState.FOREIGN:
            return _("It belongs to another program, which does not tell whether it lives.")
        case ConsumerState.WAITING:
            return _("No consumer: entries that wait for a retry are kept under this name.")


def _facts(consumer: ConsumerInfo, links: Links) -> list[tuple[str, Any]]:
    left = consumer.lease_left
    return [
        (_("Stream"), link(links.detail(Stream, consumer.stream), consumer.stream)),
        (_("Group"), link(links.detail(ConsumerGroup, consumer.stream, consumer.group), consumer.group)),
        (_("Host and process"), _place(consumer)),
        (_("Last asked for entries"), _("%s ago") % duration(consumer.idle)),
        (_("Last got some"), UNKNOWN if consumer.inactive is None else _("%s ago") % duration(consumer.inactive)),
        (_("Taken for dead in"), UNKNOWN if left is None or left.total_seconds() <= 0 else duration(left)),
        (_("Pending"), number(consumer.pending)),
    ]


def _held(request: HttpRequest, consumer: ConsumerInfo, entry: Held, links: Links) -> dict[str, Any]:
    url = links.page(Stream, "entry", consumer.stream, entry.entry_id) if entry.fields is not None else ""
    return {
        "entry": link(url, entry.entry_id),
        "time": exact_moment(entry.added_at),
        "state": badge(entry.state),
        "idle": duration(entry.idle),
        "deliveries": number(entry.delivery_count),
        "error": entry.error,
        "preview": UNKNOWN if entry.fields is None else payload(request, entry.fields).preview(),
    }
