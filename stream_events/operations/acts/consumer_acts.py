"""Deleting a consumer, with what it holds handed back."""

from __future__ import annotations

import time
from typing import Any

import redis
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from stream_events.consuming.replies import is_group_gone
from stream_events.exceptions import ConfigurationError
from stream_events.keys import RETRY_OWNER
from stream_events.operations.acts.performance import Look, Performance, Slice
from stream_events.operations.acts.refusals import DELETED, refusal, skip_reason
from stream_events.operations.acts.script import PendingScript
from stream_events.operations.names import raw
from stream_events.operations.numbers import counted
from stream_events.operations.orders import Target, Verb
from stream_events.operations.progress import Actor, Limit, Skipped

CHUNK = 100

_HELD = ngettext_lazy(
    "It holds %(count)s entry, which would be lost. Have it handed back first (--move).",
    "It holds %(count)s entries, which would be lost. Have them handed back first (--move).",
    "number",
)
_MOVED = ngettext_lazy(
    "The entry that it holds is handed back, due now.",
    "The %(count)s entries that it holds are handed back, due now.",
    "number",
)


class DeletingConsumer(Performance):
    permission = "delete_consumer"
    options = ("consumer", "move")

    def check(self) -> None:
        super().check()
        self.is_given("move")
        self.consumer = self.required("consumer")
        if self.consumer == RETRY_OWNER:
            raise ConfigurationError(f"{RETRY_OWNER} is no consumer: entries that wait for a retry are in its name.")

    @property
    def name(self) -> str:
        return self.consumer

    def look(self) -> Look:
        named = {"consumer": self.consumer, "label": self.label}
        summary = _("Delete the consumer %(consumer)s of %(label)s.") % named
        try:
            held, why = self._held(), self._refusal()
        except redis.ResponseError as error:
            return Look(order=self.order, summary=summary, refusal=refusal(error))
        if held and not self.is_given("move") and not why:
            why = counted(_HELD, held)
        consequence = "" if held else _("Nothing is lost: it holds no entries.")
        if held and self.is_given("move"):
            consequence = counted(_MOVED, held)
        return Look(order=self.order, summary=summary, consequence=consequence, count=held, refusal=why)

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        deadline = time.monotonic() + limit.seconds
        found = Slice(place=place, total=self._held() if place == "" else None)
        try:
            if why := self._refusal():
                return self._stopped(found, why)
            while self.is_given("move") and (rest := self._next()):
                if found.scanned >= limit.rows or time.monotonic() > deadline:
                    found.place = "moving"
                    return found
                if why := self._move(found, *rest):
                    return self._stopped(found, why)
            return self._delete(found)
        except redis.ResponseError as error:
            return self._stopped(found, refusal(error))

    def _delete(self, found: Slice) -> Slice:
        if not self.scripts().run("leave", [self.group, raw(self.consumer), "operator"]):
            return self._stopped(found, _("It runs, or holds entries."))
        found.place, found.done = None, 1
        return found

    def _stopped(self, found: Slice, why: str) -> Slice:
        found.skipped.append(Skipped(id=self.consumer, reason=why))
        found.place = None
        return found

    def _refusal(self) -> str:
        if self.consumer in self.running():
            return _("It runs: stop it first. One that was killed counts as running until its lease ends.")
        rows: Any = self.client.xinfo_consumers(self.keys.stream, self.group)
        lease = self.client.zscore(self.keys.consumers, raw(self.consumer))
        known = raw(self.consumer) in {row["name"] for row in rows} or lease is not None
        return "" if known else skip_reason("no consumer")

    def _held(self) -> int:
        """How many entries it holds, of the stream and of those requeued."""
        held = 0
        for keys in self._both():
            try:
                rows: Any = self.client.xinfo_consumers(keys.stream, self.group)
            except redis.ResponseError as error:
                if not is_group_gone(error):
                    raise
                continue
            held += sum(row["pending"] for row in rows if row["name"] == raw(self.consumer))
        return held

    def _both(self) -> tuple[Any, Any]:
        return self.keys, self.keys_of(self.order.group, requeued=True)

    def _next(self) -> tuple[Any, list[Target]] | None:
        """The next entries that it holds, and the keys that they belong to."""
        for keys in self._both():
            try:
                rows: Any = self.client.xpending_range(
                    keys.stream, self.group, "-", "+", CHUNK, consumername=raw(self.consumer)
                )
            except redis.ResponseError as error:
                if not is_group_gone(error):
                    raise
                continue
            if rows:
                return keys, [
                    Target(row["message_id"].decode(), self.consumer, row["times_delivered"]) for row in rows
                ]
        return None

    def _move(self, found: Slice, keys: Any, targets: list[Target]) -> str:
        """Hand ``targets`` back; returns why one could not be."""
        script = PendingScript(self.scripts(keys), self.group, requeued=keys is not self.keys)
        outcomes = script.run(Verb.RETRY, targets)
        found.scanned += len(targets)
        found.has_changed = True
        deleted = [one for one, outcome in zip(targets, outcomes, strict=True) if outcome == DELETED]
        if deleted:  # there is nothing left to handle
            script.run(Verb.ACK, deleted)
        return next((skip_reason(one) for one in outcomes if one.startswith("busy")), "")
