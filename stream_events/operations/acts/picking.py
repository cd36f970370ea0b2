"""Verbs that are about some entries: those that were picked, or all that match a filter."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import redis

from stream_events.connections import UNAVAILABLE
from stream_events.consuming.position import checked_id
from stream_events.consuming.replies import follows
from stream_events.exceptions import ConfigurationError
from stream_events.operations.acts.performance import Performance, Slice, unknown
from stream_events.operations.acts.refusals import refusal
from stream_events.operations.numbers import counted
from stream_events.operations.orders import Order, Target
from stream_events.operations.progress import Actor, Limit, Skipped

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

CHUNK = 100  # entries in one command


class Batch(NamedTuple):
    """The next targets, and where those that follow them begin."""

    targets: Sequence[Target]
    place: str | None
    scanned: int


class Picking(Performance):
    """Acts upon entries one by one; ``fields`` are those of the filter."""

    takes_targets = True
    fields: tuple[str, ...]
    every: ClassVar[StrPromise]  # the summary where nobody knows how many match,
    some: ClassVar[StrPromise]  # and where somebody does

    def check(self) -> None:
        super().check()
        for name in self.order.where or {}:
            if name not in self.fields:
                raise ConfigurationError(unknown(name, f"The filter of {self.order.verb}", self.fields))
        for target in self.order.targets:
            if checked_id(target.id, "an id", "Copy it from a list of entries.") != target.id:
                raise ConfigurationError(f"An id is {target.id!r}; write both of its parts, as in {target.id}-0.")
        for name in ("since", "until"):
            if self.where.get(name):
                checked_id(self.where[name], name, "")

    @abstractmethod
    def matching(self, place: str, size: int, seconds: float) -> Batch:
        """Up to ``size`` targets behind ``place`` that the filter lets through."""

    @abstractmethod
    def total(self) -> int | None:
        """How many entries a filter has to look at."""

    @abstractmethod
    def act(self, targets: Sequence[Target], actor: Actor) -> Mapping[str, str]:
        """Act upon ``targets``; returns for each id an empty string, or why it was skipped.

        Raises ``redis.ResponseError`` when none of them can be acted upon.
        """

    def summary(self, count: int | None) -> str:
        """What is done to ``count`` entries."""
        named = {"label": self.label, "stream": self.order.stream, **self.order.options}
        return str(self.every % named) if count is None else counted(self.some, count, **named)

    @property
    def where(self) -> Mapping[str, str]:
        return self.order.where or {}

    def unique(self) -> list[Target]:
        """The targets without repetitions; of each the last."""
        return list({target.id: target for target in self.order.targets}.values())

    def up_to(self, last: str) -> Order:
        """The order with a filter that ends at ``last``, or before if it did so."""
        until = self.where.get("until") or last
        return replace(self.order, where={**self.where, "until": last if follows(until, last) else until})

    def ordered(self) -> Sequence[Target]:
        """The targets in the order in which they are acted upon."""
        return self.order.targets

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        deadline = time.monotonic() + limit.seconds
        found = Slice(place=place, total=self._total() if place == "" else None)
        at: str | None = place
        while at is not None and found.scanned < limit.rows and time.monotonic() < deadline:
            try:
                at = self._step(at, actor, found, limit.rows - found.scanned)
            except UNAVAILABLE:
                if not found.scanned:
                    raise
                break  # what was done so far is reported; the next slice meets the error again
            found.place = at
        return found

    def _step(self, place: str, actor: Actor, found: Slice, room: int) -> str | None:
        batch = self._next(place, min(room, CHUNK))
        try:
            outcomes = self.act(batch.targets, actor) if batch.targets else {}
        except redis.ResponseError as error:
            outcomes = dict.fromkeys((target.id for target in batch.targets), refusal(error))
        found.scanned += batch.scanned
        found.done += sum(not reason for reason in outcomes.values())
        found.skipped += [Skipped(id=one, reason=reason) for one, reason in outcomes.items() if reason]
        return batch.place

    def _next(self, place: str, size: int) -> Batch:
        if self.order.where is not None:
            return self.matching(place, size, 0.5)
        if place and not place.isdecimal():
            raise ConfigurationError(f"Nothing of this order begins at {place!r}. Give what dump() wrote.")
        targets = self.ordered()
        start = int(place or 0)
        end = start + size
        return Batch(targets[start:end], str(end) if end < len(targets) else None, len(targets[start:end]))

    def _total(self) -> int | None:
        return self.total() if self.order.where is not None else len(self.order.targets)
