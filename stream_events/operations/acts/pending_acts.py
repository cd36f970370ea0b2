"""Acknowledging, claiming and retrying entries that are pending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import redis
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from stream_events.consuming.replies import is_group_gone
from stream_events.exceptions import ConfigurationError
from stream_events.keys import RETRY_OWNER
from stream_events.operations.acts.performance import Look
from stream_events.operations.acts.picking import Batch, Picking
from stream_events.operations.acts.refusals import GONE, refusal, skip_reason
from stream_events.operations.acts.script import PendingScript
from stream_events.operations.filters import PENDING, pending_filter
from stream_events.operations.names import raw, readable
from stream_events.operations.numbers import counted
from stream_events.operations.orders import Level, Order, Target
from stream_events.operations.pages import Budget
from stream_events.operations.pending import holdings
from stream_events.operations.places import NOTHING
from stream_events.operations.progress import Actor

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

_GONE = ngettext_lazy(
    "%(count)s of them is acknowledged already.", "%(count)s of them are acknowledged already.", "number"
)


class Seen(NamedTuple):
    """What a plan found of its targets: those that are pending, as they are, and the ids of others."""

    targets: tuple[Target, ...]
    gone: list[str]
    busy: int  # in the hands of consumers that run


class PendingAct(Picking):
    """A verb of pending entries that the script ``act`` knows."""

    level = Level.CONFIRM
    consequence: ClassVar[StrPromise]
    busy: ClassVar[StrPromise] = ngettext_lazy(
        "%(count)s of them may be handled right now: its handler runs to its end all the same.",
        "%(count)s of them may be handled right now: their handlers run to their ends all the same.",
        "number",
    )
    fields = PENDING

    def check(self) -> None:
        super().check()
        pending_filter(self.where)

    def look(self) -> Look:
        try:
            summary: Any = self.client.xpending(self.keys.stream, self.group)
        except redis.ResponseError as error:
            if not (self.order.requeued and is_group_gone(error)):
                return Look(order=self.order, summary=self.summary(None), refusal=refusal(error))
            summary = {"pending": 0, "max": None, "consumers": []}
        warnings = list(self.warnings())
        count: int | None
        if self.order.where is not None:
            last = summary["max"].decode() if summary["max"] else NOTHING
            order = self.up_to(last)
            count = self._count(order, summary, last)
        else:
            seen = self._see()
            order, count = replace(self.order, targets=seen.targets), len(seen.targets)
            warnings += self._warnings_of(seen)
        return Look(
            order=order,
            summary=self.summary(count),
            consequence=str(self.consequence),
            count=count,
            warnings=warnings,
            refusal=self.refusal(),
        )

    def warnings(self) -> Iterable[str]:
        """What there is to say before it is done."""
        return ()

    def refusal(self) -> str:
        return ""

    def matching(self, place: str, size: int, seconds: float) -> Batch:
        page = holdings(
            self.order.stream,
            self.order.group,
            pending_filter(self.where),
            after=place,
            size=size,
            budget=Budget(seconds=seconds),
            requeued=self.order.requeued,
        )
        targets = [Target(*row) for row in page.rows]
        return Batch(targets, page.after, max(page.scanned, len(targets)))

    def total(self) -> int | None:
        try:
            return int(self.client.xpending(self.keys.stream, self.group)["pending"])
        except redis.ResponseError:
            return None

    def act(self, targets: Sequence[Target], actor: Actor) -> Mapping[str, str]:
        order = self.order
        script = PendingScript(self.scripts(), self.group, requeued=order.requeued)
        try:
            outcomes = script.run(order.verb, targets, order.options.get("consumer", ""))
        except redis.ResponseError as error:
            if not (order.requeued and is_group_gone(error)):
                raise
            outcomes = [GONE] * len(targets)  # the stream goes with the last of its entries
        return {target.id: outcome and skip_reason(outcome) for target, outcome in zip(targets, outcomes, strict=True)}

    def _see(self) -> Seen:
        """The targets, with owner and count where only their ids are known."""
        wanted = self.unique()
        pipeline = self.client.pipeline(transaction=False)
        for target in wanted:
            pipeline.xpending_range(self.keys.stream, self.group, target.id, target.id, 1)
        found: Any = pipeline.execute(raise_on_error=False)
        running = set(self.running())
        targets, gone, busy = [], [], 0
        for target, rows in zip(wanted, found, strict=True):
            row = rows[0] if isinstance(rows, list) and rows else None
            if row is None:
                gone.append(target.id)
            owner = readable(row["consumer"]) if row else ""
            busy += owner in running
            is_known = target.owner or target.delivery_count
            targets.append(Target(target.id, owner, row["times_delivered"]) if row and not is_known else target)
        return Seen(tuple(targets), gone, busy)

    def _warnings_of(self, seen: Seen) -> list[str]:
        warnings = []
        if seen.gone:
            warnings.append(counted(_GONE, len(seen.gone)))
        if seen.busy:
            warnings.append(counted(self.busy, seen.busy))
        return warnings

    def _count(self, order: Order, summary: Any, last: str) -> int | None:
        """How many entries match, where Redis keeps that number."""
        wanted = {name for name, value in self.where.items() if value} - {"until"}
        if order.where and order.where["until"] != last:
            return None
        if not wanted:
            return int(summary["pending"])
        if wanted == {"consumer"}:
            name = raw(self.where["consumer"])
            return next((int(one["pending"]) for one in summary["consumers"] if one["name"] == name), 0)
        return None


class Acknowledging(PendingAct):
    permission = "ack_pendingentry"
    every = gettext_lazy("Acknowledge all entries of %(label)s that match.")
    some = ngettext_lazy(
        "Acknowledge %(count)s entry of %(label)s.", "Acknowledge %(count)s entries of %(label)s.", "number"
    )
    consequence = gettext_lazy("They count as done: no handler will run for them any more.")


class Retrying(PendingAct):
    permission = "retry_pendingentry"
    every = gettext_lazy("Have all entries of %(label)s that match handled now.")
    some = ngettext_lazy(
        "Have %(count)s entry of %(label)s handled now.", "Have %(count)s entries of %(label)s handled now.", "number"
    )
    consequence = gettext_lazy(
        "They are due at once, whatever they waited for. How often they were delivered stays as it is. Where several"
        " handlers want an entry, the first one that is due is called."
    )
    busy = ngettext_lazy(
        "%(count)s of them may be handled right now. It is left alone, because it would run twice.",
        "%(count)s of them may be handled right now. They are left alone, because they would run twice.",
        "number",
    )

    def warnings(self) -> Iterable[str]:
        return [] if self.running() else [nobody_runs(self.label)]


class Claiming(PendingAct):
    permission = "claim_pendingentry"
    options = ("consumer",)
    every = gettext_lazy("Give all entries of %(label)s that match to %(consumer)s.")
    some = ngettext_lazy(
        "Give %(count)s entry of %(label)s to %(consumer)s.",
        "Give %(count)s entries of %(label)s to %(consumer)s.",
        "number",
    )
    consequence = gettext_lazy(
        "A consumer of this package takes them up within half a lease; another program has to look for them."
    )
    busy = ngettext_lazy(
        "%(count)s of them may be handled right now: it may run twice.",
        "%(count)s of them may be handled right now: they may run twice.",
        "number",
    )

    def check(self) -> None:
        super().check()
        if self.required("consumer") == RETRY_OWNER:
            raise ConfigurationError(f"{RETRY_OWNER} is no consumer; use retry.")

    def warnings(self) -> Iterable[str]:
        consumer = self.order.options["consumer"]
        if consumer not in self.running() and not self.refusal():
            yield _(
                "%(consumer)s does not run, as far as its lease tells. If it is of this package, others take the"
                " entries from it."
            ) % {"consumer": consumer}

    def refusal(self) -> str:
        name = raw(self.order.options["consumer"])
        if self.client.zscore(self.keys.consumers, name) is not None:
            return ""
        rows: Any = self.client.xinfo_consumers(self.keys.stream, self.group)
        return "" if name in {row["name"] for row in rows} else skip_reason("no consumer")


def nobody_runs(label: str) -> str:
    return _("No consumer of %(label)s runs: nothing is handled until one does.") % {"label": label}
