"""Requeueing and discarding dead letters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from stream_events.operations.acts.pending_acts import nobody_runs
from stream_events.operations.acts.performance import Look
from stream_events.operations.acts.picking import Batch, Picking
from stream_events.operations.acts.refusals import refusal
from stream_events.operations.dead_letters import letters_after, requeue
from stream_events.operations.filters import LETTERS, letter_filter
from stream_events.operations.numbers import counted
from stream_events.operations.orders import Level, Order, Target
from stream_events.operations.pages import Budget
from stream_events.operations.places import NOTHING, place
from stream_events.operations.progress import Actor

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

_GONE = ngettext_lazy("%(count)s of them is gone.", "%(count)s of them are gone.", "number")

MANY = 1000  # dead letters: more of them at once are not requeued without a second thought


class LetterAct(Picking):
    """A verb of dead letters; they are taken in the order in which they died."""

    gone: ClassVar[StrPromise] = gettext_lazy("requeued or discarded already")
    fields: tuple[str, ...] = LETTERS

    def look(self) -> Look:
        try:
            length = int(self.client.xlen(self.source))
            order = self.order if self.order.where is None else self._frozen()
        except redis.ResponseError as error:
            return Look(order=self.order, summary=self.summary(None), refusal=refusal(error))
        warnings = list(self.warnings())
        if order.where is None:
            order, gone = self._see()
            if gone:
                warnings.append(counted(_GONE, gone))
        count = len(order.targets) if order.where is None else self._count(length)
        return Look(
            order=order,
            summary=self.summary(count),
            consequence=self.consequence,
            count=count,
            level=self.level_for(count),
            warnings=warnings,
        )

    @property
    @abstractmethod
    def consequence(self) -> str:
        """What follows from it."""

    @property
    def source(self) -> Any:
        """The stream that the targets are in."""
        return self.keys.dead

    def warnings(self) -> Sequence[str]:
        return ()

    @abstractmethod
    def level_for(self, count: int | None) -> Level:
        """What has to be given before ``count`` of them are acted upon."""

    def matching(self, place: str, size: int, seconds: float) -> Batch:
        budget = Budget(seconds=seconds)
        where = letter_filter(self.where)
        page = letters_after(self.order.stream, self.order.group, where, after=place, size=size, budget=budget)
        return Batch([Target(letter.id) for letter in page.rows], page.after, page.scanned)

    def total(self) -> int | None:
        return int(self.client.xlen(self.source))

    def ordered(self) -> Sequence[Target]:
        return sorted(self.order.targets, key=lambda target: place(target.id))

    def _see(self) -> tuple[Order, int]:
        """The order without repetitions, and how many of its targets are not there."""
        wanted = self.unique()
        pipeline = self.client.pipeline(transaction=False)
        for target in wanted:
            pipeline.xrange(self.source, target.id, target.id)
        return replace(self.order, targets=tuple(wanted)), sum(not rows for rows in pipeline.execute())

    def _frozen(self) -> Order:
        newest: Any = self.client.xrevrange(self.source, count=1)
        last = newest[0][0].decode() if newest else NOTHING
        return self.up_to(last)

    def _count(self, length: int) -> int | None:
        return None if any(self.where.values()) else length


class Requeueing(LetterAct):
    permission = "requeue_deadletter"
    every = gettext_lazy("Requeue all dead letters of %(label)s that match.")
    some = ngettext_lazy(
        "Requeue %(count)s dead letter of %(label)s.", "Requeue %(count)s dead letters of %(label)s.", "number"
    )

    @property
    def consequence(self) -> str:
        return _("They are handled again, the oldest first, by this group only and by the handlers they were for.")

    def warnings(self) -> Sequence[str]:
        return () if self.running() else (nobody_runs(self.label),)

    def level_for(self, count: int | None) -> Level:
        are_many = self.order.where is not None and (count is None or count > MANY)
        return Level.TYPE_NAME if are_many else Level.CONFIRM

    def act(self, targets: Sequence[Target], actor: Actor) -> Mapping[str, str]:
        moved = set(requeue(self.order.stream, self.order.group, [one.id for one in targets], by=actor.name))
        return {one.id: "" if one.id in moved else str(self.gone) for one in targets}


class Discarding(LetterAct):
    permission = "delete_deadletter"
    every = gettext_lazy("Discard all dead letters of %(label)s that match.")
    some = ngettext_lazy(
        "Discard %(count)s dead letter of %(label)s.", "Discard %(count)s dead letters of %(label)s.", "number"
    )

    @property
    def consequence(self) -> str:
        return _("They are deleted. Their events are not handled, and cannot be got back from here.")

    def level_for(self, count: int | None) -> Level:
        return Level.CONFIRM if self.order.where is None else Level.TYPE_NAME

    def act(self, targets: Sequence[Target], actor: Actor) -> Mapping[str, str]:
        pipeline = self.client.pipeline(transaction=False)
        for target in targets:
            pipeline.xdel(self.keys.dead, target.id)
        return {
            one.id: "" if deleted else str(self.gone) for one, deleted in zip(targets, pipeline.execute(), strict=True)
        }
