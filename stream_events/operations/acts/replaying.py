"""Appending entries, or what is in dead letters, again: every group sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from stream_events.events import EVENT_ID, OCCURRED_AT, entry_time
from stream_events.keys import order_key
from stream_events.operations.acts.letter_acts import MANY, LetterAct
from stream_events.operations.acts.picking import Batch
from stream_events.operations.acts.refusals import DELETED, refusal_text, skip_reason
from stream_events.operations.letters import entry_fields
from stream_events.operations.names import raw
from stream_events.operations.orders import Level, Target
from stream_events.operations.pages import Budget, fill
from stream_events.operations.places import span
from stream_events.operations.progress import Actor
from stream_events.operations.walking import WEIGHT, Fields, walk

REMEMBERED = 86_400_000  # milliseconds; for so long a slice that is done again appends nothing twice
MOST_FIELDS = 1000  # of an entry that one command appends

_REFUSED = "refused:"


class Replaying(LetterAct):
    """Copies the entries of a stream, or with a group its dead letters, to the end of the stream.

    They are the same events as before: each keeps its event_id, and when it happened.
    """

    permission = "replay_stream"
    takes_group = False
    may_have_group = True
    every = gettext_lazy("Append all that match again to %(stream)s.")
    some = ngettext_lazy(
        "Append %(count)s event again to %(stream)s.", "Append %(count)s events again to %(stream)s.", "number"
    )
    gone = gettext_lazy("not there any more")

    def check(self) -> None:
        if not self.order.group:
            self.fields = ("since", "until")
        super().check()

    @property
    def consequence(self) -> str:
        names = ", ".join(group.name for group in self.states().groups) or _("none")
        return _(
            "Every group of the stream sees them: %(groups)s. They are the events that they were, so handlers with"
            " once=True that have handled them pass over them. What is copied stays where it is."
        ) % {"groups": names}

    @property
    def source(self) -> Any:
        return self.keys.dead if self.order.group else self.stream_key

    def level_for(self, count: int | None) -> Level:
        return Level.TYPE_NAME if count is None or count > MANY else Level.CONFIRM

    def matching(self, place: str, size: int, seconds: float) -> Batch:
        if self.order.group:
            return super().matching(place, size, seconds)
        first, last = span(self.where.get("since", ""), self.where.get("until", ""), after=place)
        found = walk(self.stream_key, first, last, size + 1, newest_first=False)
        page = fill(found, lambda row: Target(row[0]), size, Budget(seconds=seconds))
        return Batch(page.rows, page.after, page.scanned)

    def act(self, targets: Sequence[Target], actor: Actor) -> Mapping[str, str]:
        outcomes = {target.id: str(self.gone) for target in targets}
        copies = {}
        for target, stored in zip(targets, self._stored(targets), strict=True):
            if stored is not None:
                copies[target.id] = copy = self._copy(target.id, stored)
                outcomes[target.id] = _problem(copy)
        ready = {one: copy for one, copy in copies.items() if not outcomes[one]}
        for some in _by_weight(ready):
            outcomes.update(self._append(some))
        return outcomes

    def _stored(self, targets: Sequence[Target]) -> Iterator[Fields | None]:
        pipeline = self.client.pipeline(transaction=False)
        for target in targets:
            pipeline.xrange(self.source, target.id, target.id)
        return (rows[0][1] if rows else None for rows in pipeline.execute())

    def _copy(self, entry_id: str, stored: Fields) -> Fields:
        """The fields to append: those of the event, however often it was dead or requeued."""
        original = entry_id
        if self.order.group:
            original = stored.get(b"dead_entry_id", entry_id.encode()).decode("utf-8", "replace")
            stored = entry_fields(stored)
        fields = {name: value for name, value in stored.items() if not name.startswith(b"requeued_")}
        if fields:
            fields.setdefault(EVENT_ID.encode(), f"{self.order.stream}/{original}".encode())
            fields.setdefault(OCCURRED_AT.encode(), entry_time(original).isoformat().encode())
        return fields

    def _append(self, copies: Mapping[str, Fields]) -> dict[str, str]:
        mark = raw(order_key(self.order.stream, self.order.nonce, self.prefix))
        arguments: list[Any] = [REMEMBERED]
        for entry_id, fields in copies.items():
            arguments += [entry_id, 2 * len(fields), *(part for pair in fields.items() for part in pair)]
        keys = self.keys_of(self.order.group)
        replies = self.scripts(keys).run("replay", arguments, further=[mark])
        texts = (reply.decode("utf-8", "replace") for reply in replies)
        return {
            entry_id: refusal_text(text.removeprefix(_REFUSED)) if text.startswith(_REFUSED) else ""
            for entry_id, text in zip(copies, texts, strict=True)
        }


def _problem(copy: Fields) -> str:
    if not copy:
        return skip_reason(DELETED)
    return _("it has too many fields") if len(copy) > MOST_FIELDS else ""


def _by_weight(copies: Mapping[str, Fields]) -> Iterator[dict[str, Fields]]:
    """``copies`` in parts that no server minds."""
    part: dict[str, Fields] = {}
    weight = 0
    for entry_id, fields in copies.items():
        own = sum(len(name) + len(value) + 50 for name, value in fields.items())
        if part and weight + own > WEIGHT:
            yield part
            part, weight = {}, 0
        part[entry_id] = fields
        weight += own
    if part:
        yield part
