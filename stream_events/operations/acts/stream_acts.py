"""Deleting a stream, and publishing to one by hand."""

from __future__ import annotations

import json
from typing import Any

import redis
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from stream_events.connections import UNAVAILABLE
from stream_events.exceptions import ConfigurationError, StreamEventsError
from stream_events.keys import check_stream, order_key
from stream_events.operations.acts.group_acts import keys_beside
from stream_events.operations.acts.performance import Look, Performance, Slice
from stream_events.operations.acts.refusals import refusal
from stream_events.operations.history import purge_history, remembered_groups
from stream_events.operations.names import raw
from stream_events.operations.numbers import counted
from stream_events.operations.orders import Level
from stream_events.operations.progress import Actor, Limit, Skipped
from stream_events.publishing.publisher import StreamPublisher

REMEMBERED = 86_400  # seconds; for so long an order to publish is not performed a second time


# Both are what “loses” is followed by.
_PENDING = ngettext_lazy("%(count)s pending entry", "%(count)s pending entries", "number")
_DEAD = ngettext_lazy("%(count)s dead letter", "%(count)s dead letters", "number")


class DeletingStream(Performance):
    permission = "delete_stream"
    takes_group = False

    def look(self) -> Look:
        stream = self.states()
        summary = _("Delete the stream %(label)s and all that belongs to its groups.") % {"label": self.label}
        if stream.problem or not stream.exists:
            why = stream.problem or _("There is no such stream.")
            return Look(order=self.order, summary=summary, refusal=why)
        warnings = []
        for group in stream.groups:
            if group.running:
                warnings.append(
                    _("Consumers of %(group)s run: they make stream and group again.") % {"group": group.name}
                )
            if group.pending or group.dead:
                lost = {"pending": counted(_PENDING, group.pending), "dead": counted(_DEAD, group.dead)}
                warnings.append(_("%(group)s loses %(pending)s and %(dead)s.") % {"group": group.name, **lost})
        return Look(
            order=self.order,
            summary=summary,
            consequence=_("Entries, pending entries and dead letters are gone, and cannot be got back."),
            count=stream.length,
            warnings=warnings,
        )

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        stream = self.states()
        if stream.problem:
            return Slice(place=None, skipped=[Skipped(id=self.label, reason=stream.problem)])
        keys = [self.stream_key]
        # Groups that were deleted have left dead letters, and keep consumers from making them again.
        for group in {one.name for one in stream.groups} | remembered_groups(self.order.stream):
            keys += [*keys_beside(self, group, dead=True), self.keys_of(group).cursor]
        is_deleted = bool(self.client.unlink(*keys) + purge_history(self.order.stream))
        skipped = [] if stream.exists else [Skipped(id=self.label, reason=_("deleted already"))]
        return Slice(place=None, done=int(stream.exists), skipped=skipped, scanned=1, has_changed=is_deleted)


class Publishing(Performance):
    permission = "publish_stream"
    level = Level.PLAIN
    options = ("payload",)
    takes_group = False

    def check(self) -> None:
        super().check()
        check_stream(self.order.stream)
        text = self.required("payload")
        try:
            self.payload = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"The payload is no JSON: {error}.") from error
        if not isinstance(self.payload, dict):
            raise ConfigurationError('The payload is no JSON object, such as {"obj_id": 1, "action": "test"}.')

    def look(self) -> Look:
        stream = self.states()
        names = ", ".join(group.name for group in stream.groups)
        consequence = _("These groups get it: %(groups)s.") % {"groups": names} if names else _("No group gets it.")
        missing = sorted({"obj_id", "obj_type", "action"} - self.payload.keys())
        text = _("The payload has no %(names)s; handlers may expect that.") % {"names": ", ".join(missing)}
        return Look(
            order=self.order,
            summary=_("Publish one event to %(label)s.") % {"label": self.label},
            consequence=consequence,
            count=1,
            warnings=[text] if missing else [],
            refusal=stream.problem,
        )

    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        mark: Any = raw(order_key(self.order.stream, self.order.nonce, self.prefix))
        try:
            if not self.client.set(mark, actor.name, nx=True, ex=REMEMBERED):
                reason = _("This order was performed before, or its reply was lost: look at the end of the stream.")
                return Slice(place=None, skipped=[Skipped(id=self.label, reason=reason)])
            entry_id, _obj_id = StreamPublisher(self.order.stream).add(self.payload)
        except UNAVAILABLE:
            raise
        except (redis.ResponseError, StreamEventsError) as error:
            self.client.delete(mark)
            why = refusal(error) if isinstance(error, redis.ResponseError) else str(error)
            return Slice(place=None, skipped=[Skipped(id=self.label, reason=why)])
        if entry_id is None:
            return Slice(place=None, skipped=[Skipped(id=self.label, reason=_("publishing is switched off"))])
        return Slice(place=None, done=1, scanned=1, total=1, lines=[_("Published as %(id)s.") % {"id": entry_id}])
