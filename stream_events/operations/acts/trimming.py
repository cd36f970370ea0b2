"""Deleting the oldest entries of a stream."""

from __future__ import annotations

import time
from typing import Any

import redis
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy

from stream_events.exceptions import ConfigurationError
from stream_events.operations.acts.counting import Count, count_entries
from stream_events.operations.acts.performance import CHEAP, Look, Performance, Slice
from stream_events.operations.acts.refusals import refusal
from stream_events.operations.names import raw
from stream_events.operations.numbers import counted, number
from stream_events.operations.orders import with_option
from stream_events.operations.pages import STEP
from stream_events.operations.places import START, Place, before, behind, entry_id_at, place, place_from, place_of
from stream_events.operations.progress import Actor, Limit, Skipped
from stream_events.operations.states import GroupState, StreamState

LARGEST_STEP = 5000  # entries in one command, which takes a few milliseconds
MOST_PENDING = 10_000  # that are counted

_UNREAD = ngettext_lazy(
    "%(group)s has not read %(count)s of them, and never will.",
    "%(group)s has not read %(count)s of them, and never will.",
    "number",
)
_PENDING_AT_MOST = ngettext_lazy(
    "Up to %(count)s of them is pending in %(group)s, whose consumers report it as trimmed.",
    "Up to %(count)s of them are pending in %(group)s, whose consumers report them as trimmed.",
    "number",
)
_PENDING = ngettext_lazy(
    "%(count)s of them is pending in %(group)s, whose consumers report it as trimmed.",
    "%(count)s of them are pending in %(group)s, whose consumers report them as trimmed.",
    "number",
)

_EXACTLY = "exactly"  # the place at which nothing but a part of the first node is left to delete


class Trimming(Performance):
    permission = "trim_stream"
    options = ("maxlen", "before")
    takes_group = False

    def check(self) -> None:
        super().check()
        maxlen, moment = (self.order.options.get(option, "") for option in self.options)
        if bool(maxlen) == bool(moment):
            raise ConfigurationError("trim takes either maxlen, or before: an entry id or a time.")
        if maxlen and not (maxlen.isascii() and maxlen.isdigit()):
            raise ConfigurationError(f"The option 'maxlen' is {maxlen!r}; write how many entries are to be kept.")
        self.kept = int(maxlen) if maxlen else None
        self.boundary = place_from(moment, "before")[0] if moment else None
        self.counts = 1  # that a plan needs

    def look(self) -> Look:
        stream = self.states()
        if stream.problem or not stream.exists:
            summary = _("Trim %(label)s.") % {"label": self.label}
            return Look(order=self.order, summary=summary, refusal=stream.problem or _("There is no such stream."))
        groups = [group for group in stream.groups if group.exists]
        self.counts += len(groups)
        removed, boundary = self._removed(stream), self._boundary(stream)
        order = with_option(self.order, "before", entry_id_at(self.boundary)) if self.boundary else self.order
        return Look(
            order=order,
            summary=self._summary(removed),
            consequence=_("They cannot be got back. Dead letters and requeued entries are kept."),
            count=removed.number if removed.is_exact else None,
            warnings=[text for group in groups for text in self._losses(group, boundary)],
            changes=((_("Length"), number(stream.length), self._length_after(stream, removed)),),
        )

    def _summary(self, removed: Count) -> str:
        text = ngettext(
            "Delete the oldest entry of %(label)s.",
            "Delete the %(count)s oldest entries of %(label)s.",
            removed.number,
        )
        return text % {"label": self.label, "count": str(removed)}

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        deadline = time.monotonic() + limit.seconds
        found = Slice(place=place, total=self._total() if place == "" else None)
        try:
            rows = limit.rows * CHEAP
            while found.place is not None and found.done < rows and time.monotonic() < deadline:
                self._step(found, rows - found.done)
        except redis.ResponseError as error:
            found.skipped.append(Skipped(id=self.label, reason=refusal(error)))
            found.place = None
        found.scanned = found.done
        return found

    def _step(self, found: Slice, room: int) -> None:
        key: Any = self.stream_key
        what: dict[str, Any] = {"maxlen": self.kept}
        if self.boundary:
            what = {"minid": entry_id_at(self.boundary)}
        if found.place == _EXACTLY:
            found.done += int(self.client.xtrim(key, approximate=False, **what))
            found.place = None
            return
        # Less than a node at once deletes nothing.
        size = max(STEP, min(room, LARGEST_STEP))
        deleted = int(self.client.xtrim(key, approximate=True, limit=size, **what))
        found.done += deleted
        found.place = "some" if deleted else _EXACTLY

    def _total(self) -> int | None:
        stream = self.states()
        removed = self._removed(stream)
        return removed.number if removed.is_exact else None

    def _removed(self, stream: StreamState) -> Count:
        if self.kept is not None:
            return Count(max(0, stream.length - self.kept))
        return count_entries(self.stream_key, START, before(self.boundary or START), self.counts)

    def _length_after(self, stream: StreamState, removed: Count) -> str:
        left = number(stream.length - removed.number)
        return left if removed.is_exact else f"≤ {left}"

    def _boundary(self, stream: StreamState) -> Place | None:
        """The first place that is kept; None if finding it would take too long."""
        if self.boundary or self.kept is None:
            return self.boundary
        if self.kept >= stream.length or not self.kept:
            return behind(place(stream.last_id)) if not self.kept else START
        key: Any = self.stream_key
        if self.kept <= STEP:
            rows: Any = self.client.xrevrange(key, count=self.kept)
            return place_of(rows[-1][0]) if rows else START
        if stream.length - self.kept < STEP:
            rows = self.client.xrange(key, count=stream.length - self.kept + 1)
            return place_of(rows[-1][0]) if rows else START
        return None

    def _losses(self, group: GroupState, boundary: Place | None) -> list[str]:
        """What the group loses."""
        texts = []
        unread, pending = self._unread(group, boundary), self._pending(group, boundary)
        if unread is None:
            texts.append(_("%(group)s may not have read all of them yet.") % {"group": group.name})
        elif unread.number:
            texts.append(unread.told(_UNREAD, group=group.name))
        if pending is None:
            texts.append(counted(_PENDING_AT_MOST, group.pending, group=group.name))
        elif pending.number:
            texts.append(pending.told(_PENDING, group=group.name))
        return texts

    def _unread(self, group: GroupState, boundary: Place | None) -> Count | None:
        if boundary:
            read = place(group.last_delivered_id)
            return count_entries(self.stream_key, behind(read), before(boundary), self.counts)
        return None if group.lag is None else Count(max(0, group.lag - (self.kept or 0)))

    def _pending(self, group: GroupState, boundary: Place | None) -> Count | None:
        """How many of the group's pending entries are deleted; None where that would take too long to find out."""
        if not group.pending:
            return Count(0)
        if not boundary:
            return None
        key: Any = self.stream_key
        name: Any = raw(group.name)
        number, start = 0, "-"
        while number * self.counts < MOST_PENDING:
            rows: Any = self.client.xpending_range(key, name, start, entry_id_at(before(boundary)), STEP)
            number += len(rows)
            if len(rows) < STEP:
                return Count(number)
            start = f"({rows[-1]['message_id'].decode()}"
        return Count(number, is_exact=False)
