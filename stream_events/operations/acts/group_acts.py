"""Deleting a group, so that its consumers do not make it again."""

from __future__ import annotations

import time
from typing import Any

import redis
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from stream_events.consuming.replies import is_group_gone
from stream_events.operations.acts.performance import CHEAP, Look, Performance, Slice
from stream_events.operations.acts.refusals import refusal
from stream_events.operations.numbers import counted
from stream_events.operations.progress import Actor, Limit, Skipped
from stream_events.operations.states import GroupState

CHUNK = 500  # pending entries that are dropped at once, so that destroying the group takes no time

_OTHERS = ("retry", "lost", "progress", "errors", "requeue", "consumers")

_ENDING = ngettext_lazy("%(count)s consumer runs: it ends.", "%(count)s consumers run: they end.", "number")
_UNREAD = ngettext_lazy(
    "%(count)s entry that it has not read will not be handled by it.",
    "%(count)s entries that it has not read will not be handled by it.",
    "number",
)
_PENDING = ngettext_lazy("%(count)s pending entry is dropped.", "%(count)s pending entries are dropped.", "number")
_REQUEUED = ngettext_lazy("%(count)s requeued entry is dropped.", "%(count)s requeued entries are dropped.", "number")
_KEPT = ngettext_lazy("%(count)s dead letter stays.", "%(count)s dead letters stay.", "number")
_DELETED = ngettext_lazy("%(count)s dead letter is deleted.", "%(count)s dead letters are deleted.", "number")


class DeletingGroup(Performance):
    permission = "delete_consumergroup"
    options = ("dead_letters",)

    def check(self) -> None:
        super().check()
        self.is_given("dead_letters")

    def look(self) -> Look:
        stream = self.states()
        group = self.group_in(stream)
        summary = _("Delete the group %(label)s.") % {"label": self.label}
        if stream.problem or not group.exists:
            why = stream.problem or _("There is no such group.")
            return Look(order=self.order, summary=summary, refusal=why)
        consequence = _(
            "It forgets up to where it has handled the stream. Its consumers end with exit code 78, and do not make it"
            " again; --create-from does."
        )
        warnings = self._losses(group)
        return Look(order=self.order, summary=summary, consequence=consequence, count=group.pending, warnings=warnings)

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        deadline = time.monotonic() + limit.seconds
        found = Slice(place=place)
        if place == "":
            found.total = self._pending_count()
            self.scripts().run("bury_group", [])
            found.has_changed = True
        try:
            while rows := self._held():
                if found.scanned >= limit.rows * CHEAP or time.monotonic() > deadline:
                    found.place = "dropping"
                    return found
                self.scripts().run("finish", [self.group, 0, *(row["message_id"] for row in rows)])
                found.scanned += len(rows)
            self._destroy()
        except redis.ResponseError as error:
            found.skipped.append(Skipped(id=self.label, reason=refusal(error)))
        else:
            found.done = 1
        found.place = None
        return found

    def _losses(self, group: GroupState) -> list[str]:
        warnings = []
        if group.running:
            warnings.append(counted(_ENDING, group.running))
        if group.lag is None:
            warnings.append(_("It may not have read everything."))
        letters = _DELETED if self.is_given("dead_letters") else _KEPT
        losses = ((_UNREAD, group.lag), (_PENDING, group.pending), (_REQUEUED, group.requeued), (letters, group.dead))
        return [*warnings, *(counted(text, count) for text, count in losses if count)]

    def _pending_count(self) -> int:
        try:
            return int(self.client.xpending(self.keys.stream, self.group)["pending"])
        except redis.ResponseError:
            return 0

    def _held(self) -> Any:
        try:
            return self.client.xpending_range(self.keys.stream, self.group, "-", "+", CHUNK)
        except redis.ResponseError as error:
            if is_group_gone(error):
                return []
            raise

    def _destroy(self) -> None:
        try:
            self.scripts().run("destroy", [self.group])
        except redis.ResponseError as error:
            if "requires the key to exist" not in str(error) and not is_group_gone(error):
                raise
        self.client.unlink(*keys_beside(self, self.order.group, dead=self.is_given("dead_letters")))


def keys_beside(performance: Performance, group: str, *, dead: bool) -> list[Any]:
    """The keys of ``group`` beside the stream and its cursor; its dead letters only where that is wanted."""
    keys, requeued = performance.keys_of(group), performance.keys_of(group, requeued=True)
    found = [getattr(one, name) for one in (keys, requeued) for name in _OTHERS]
    return [*found, keys.dead] if dead else found
