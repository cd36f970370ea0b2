"""What the pages of an order say."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from stream_events.admin.display import number
from stream_events.admin.links import Links
from stream_events.keys import RETRY_OWNER
from stream_events.models import Stream
from stream_events.operations.plans import Order, Plan, Progress, Verb

LISTED = 100  # targets that a plan shows

_TITLES = {
    Verb.ACK: gettext_lazy("Acknowledge pending entries"),
    Verb.CLAIM: gettext_lazy("Give pending entries to another consumer"),
    Verb.RETRY: gettext_lazy("Have pending entries handled now"),
    Verb.DEAD: gettext_lazy("Make dead letters of pending entries"),
    Verb.REQUEUE: gettext_lazy("Have dead letters handled again"),
    Verb.DISCARD: gettext_lazy("Delete dead letters"),
    Verb.REPLAY: gettext_lazy("Append entries again"),
    Verb.RESET: gettext_lazy("Move the position of a group"),
    Verb.TRIM: gettext_lazy("Trim a stream"),
    Verb.DELETE_CONSUMER: gettext_lazy("Delete a consumer"),
    Verb.DELETE_GROUP: gettext_lazy("Delete a consumer group"),
    Verb.DELETE_STREAM: gettext_lazy("Delete a stream"),
    Verb.PUBLISH: gettext_lazy("Publish a test event"),
}

_FIELDS = {
    "consumer": gettext_lazy("consumer"),
    "state": gettext_lazy("state"),
    "min_idle": gettext_lazy("idle for at least (s)"),
    "min_deliveries": gettext_lazy("deliveries, at least"),
    "error": gettext_lazy("error"),
    "reason": gettext_lazy("reason"),
    "handler": gettext_lazy("handler"),
    "event": pgettext_lazy("what happened to an object", "event"),
    "since": pgettext_lazy("a time", "from"),
    "until": pgettext_lazy("a time", "up to"),
}


def title(verb: Verb) -> str:
    """The heading of the pages of ``verb``."""
    return str(_TITLES[verb])


def subject(order: Order) -> str:
    """What the options are for."""
    name = " · ".join(filter(None, (order.stream, order.group, order.options.get("consumer"))))
    if order.where is not None:
        return _("%(name)s: all that match the filter") % {"name": name}
    count = len(order.targets)
    if not count:
        return name
    return ngettext("%(name)s: %(count)s entry", "%(name)s: %(count)s entries", count) % {
        "name": name,
        "count": number(count),
    }


def where_words(order: Order) -> list[tuple[str, str]]:
    """The filter of ``order``: what it looks at, and for which value."""
    return [(str(_FIELDS.get(name, name)), value) for name, value in (order.where or {}).items() if value]


def plan_words(plan: Plan, links: Links, model: type[Model]) -> dict[str, Any]:
    """What the page of a plan shows beside it."""
    order = plan.order
    rows = [
        (one.id, _target_url(links, model, order, one.id), _holder(one.owner), one.delivery_count)
        for one in order.targets[:LISTED]
    ]
    rest = len(order.targets) - len(rows)
    return {
        "rows": rows,
        "has_holders": any(holder for _id, _url, holder, _count in rows),
        "rest": ngettext("and %s more", "and %s more", rest) % number(rest) if rest > 0 else "",
        "where": where_words(order),
        "is_filtered": order.where is not None,
        "matches_all": order.where is not None and not where_words(order),
        "count": "" if plan.count is None else number(plan.count),
    }


def report_words(progress: Progress, links: Links, model: type[Model]) -> dict[str, Any]:
    """What the page of a performance shows beside it."""
    order = progress.order
    reasons = [(one.id, _target_url(links, model, order, one.id), one.reason) for one in progress.reasons]
    untold = progress.skipped - len(reasons)
    return {
        "summary": summary(progress),
        "reasons": reasons,
        "untold": number(untold) if untold > 0 else "",
        "untold_count": untold,
        "looked_at": _looked_at(progress),
        "bar_end": max(progress.total or 0, progress.scanned, 1),
    }


def summary(progress: Progress) -> str:
    """The report, with the reason if everything was skipped for the same one."""
    reasons = {one.reason for one in progress.reasons}
    if len(reasons) == 1 and progress.skipped == len(progress.reasons):
        return f"{progress.report()}: {reasons.pop()}"
    return progress.report()


def _looked_at(progress: Progress) -> str:
    if progress.total is None:
        return _("%(scanned)s looked at") % {"scanned": number(progress.scanned)}
    counts = {"scanned": number(progress.scanned), "total": number(progress.total)}
    return _("%(scanned)s of %(total)s looked at") % counts


def _target_url(links: Links, model: type[Model], order: Order, target_id: str) -> str:
    if not order.group:
        return links.page(Stream, "entry", order.stream, target_id)
    return links.detail(model, order.stream, order.group, target_id)


def _holder(owner: str) -> str:
    return _("waiting for a retry") if owner == RETRY_OWNER else owner
