"""Moving a group to another place in its stream."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from stream_events.operations.acts.counting import Count, count_entries
from stream_events.operations.acts.performance import Look, Performance, Slice
from stream_events.operations.numbers import counted, number
from stream_events.operations.orders import with_option
from stream_events.operations.places import Place, behind, entry_id_at, place, position_from
from stream_events.operations.progress import Actor, Limit, Skipped
from stream_events.operations.states import GroupState, StreamState

COUNTS = 3  # that a plan needs at most

_RUNNING = ngettext_lazy(
    "%(count)s consumer runs. Stop it first, or move the group even so (--force).",
    "%(count)s consumers run. Stop them first, or move the group even so (--force).",
    "number",
)
_AGAIN = ngettext_lazy(
    "%(count)s entry is handled again, even if it is a dead letter.",
    "%(count)s entries are handled again, those included that are dead letters.",
    "number",
)
_SKIPPED = ngettext_lazy(
    "%(count)s entry is skipped: this group will never handle it.",
    "%(count)s entries are skipped: this group will never handle them.",
    "number",
)
_PENDING = ngettext_lazy(
    "%(count)s entry stays pending; behind the new place it is read again as well.",
    "%(count)s entries stay pending; those behind the new place are read again as well.",
    "number",
)


class Move(NamedTuple):
    """Where the group goes: the id after which it will read, and what lies between there and where it is."""

    position: str
    is_back: bool
    between: Count
    unread: Count  # entries that it will read


class Resetting(Performance):
    permission = "reset_consumergroup"
    options = ("to", "force")

    def check(self) -> None:
        super().check()
        self.is_given("force")
        position_from(self.required("to"), "to")

    def look(self) -> Look:
        stream = self.states()
        group = self.group_in(stream)
        summary = _("Move %(label)s to another place in its stream.") % {"label": self.label}
        if refusal := self._refusal(stream, group):
            return Look(order=self.order, summary=summary, refusal=refusal)
        move = self._move(stream, group)
        return Look(
            order=with_option(self.order, "to", move.position),
            summary=_("Move %(label)s: it will read on after %(id)s.") % {"label": self.label, "id": move.position},
            consequence=self._consequence(move),
            count=move.between.number if move.between.is_exact else None,
            warnings=self._warnings(group, move),
            changes=(
                (_("Last delivered"), group.last_delivered_id, move.position),
                (_("Unread"), _("unknown") if group.lag is None else number(group.lag), str(move.unread)),
                (_("Pending"), number(group.pending), number(group.pending)),
            ),
        )

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        stream = self.states()
        group = self.group_in(stream)
        if refusal := self._refusal(stream, group):
            return Slice(place=None, skipped=[Skipped(id=self.label, reason=refusal)], scanned=1)
        move = self._move(stream, group)
        if move.position != group.last_delivered_id:
            # Redis 7 keeps the lag only if it is told how many entries lie before the place.
            is_known = stream.added is not None and move.unread.is_exact
            read = stream.added - move.unread.number if is_known and stream.added is not None else None
            key: Any = self.stream_key
            name: Any = self.group
            self.client.xgroup_setid(key, name, move.position, entries_read=read)
        self.scripts().run("mark", [self.group])  # or a group that is lost would come back at the old place
        return Slice(place=None, done=1, scanned=1, total=1)

    def _refusal(self, stream: StreamState, group: GroupState) -> str:
        if stream.problem or group.problem:
            return stream.problem or group.problem
        if group.is_deleted:
            return _("An operator has deleted this group. Start one consumer with --create-from to make it again.")
        if not group.exists:
            return _("There is no such group; its first consumer makes it.")
        if group.running and not self.is_given("force"):
            return counted(_RUNNING, group.running)
        return ""

    def _move(self, stream: StreamState, group: GroupState) -> Move:
        last, now = place(stream.last_id), place(group.last_delivered_id)
        position = min(position_from(self.order.options["to"], "to"), last)
        unread = self._behind(position, stream)
        left = self._behind(now, stream) if group.lag is None else Count(group.lag)
        low, high = sorted((position, now))
        between = Count(abs(unread.number - left.number))
        if not (unread.is_exact and left.is_exact):
            between = count_entries(self.stream_key, behind(low), high, COUNTS)
        return Move(entry_id_at(position), position < now, between, unread)

    def _behind(self, position: Place, stream: StreamState) -> Count:
        """How many entries a group at ``position`` has not read."""
        if not stream.first_id or position < place(stream.first_id):
            return Count(stream.length)
        return count_entries(self.stream_key, behind(position), place(stream.last_id), COUNTS)

    def _consequence(self, move: Move) -> str:
        if not move.between.number:
            return _("Nothing is handled again, and nothing is skipped.")
        return move.between.told(_AGAIN if move.is_back else _SKIPPED)

    def _warnings(self, group: GroupState, move: Move) -> list[str]:
        warnings = []
        if group.pending:
            warnings.append(counted(_PENDING, group.pending))
        if group.running:
            warnings.append(_("Its consumers run: what they have in hand they finish at the old place."))
        if move.is_back and move.between.number:
            warnings.append(_("Handlers with once=True pass over what they have handled."))
        return warnings
