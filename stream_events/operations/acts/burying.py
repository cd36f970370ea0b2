"""Making dead letters of pending entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import redis
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from stream_events.consuming.attempt import Letter
from stream_events.consuming.policy import OPERATOR, Progress
from stream_events.consuming.replies import flat, is_group_gone
from stream_events.events import Entry, Event
from stream_events.exceptions import ConfigurationError, EventDecodeError
from stream_events.keys import RETRY_OWNER
from stream_events.operations.acts.pending_acts import PendingAct
from stream_events.operations.acts.refusals import DELETED, GONE, refusal, skip_reason
from stream_events.operations.contents import failure
from stream_events.operations.names import readable
from stream_events.operations.orders import Target
from stream_events.operations.progress import Actor
from stream_events.registry import handlers


class Known(NamedTuple):
    """What Redis holds of one target at the moment."""

    owner: bytes
    delivery_count: int
    fields: dict[bytes, bytes]
    error: dict[str, Any]
    progress: Progress | None  # of its handlers, where several want it


class Burying(PendingAct):
    """Each entry is settled as a consumer would do it, with the owner and count that were seen."""

    permission = "deadletter_pendingentry"
    every = gettext_lazy("Make dead letters of all entries of %(label)s that match.")
    some = ngettext_lazy(
        "Make a dead letter of %(count)s entry of %(label)s.",
        "Make dead letters of %(count)s entries of %(label)s.",
        "number",
    )
    consequence = gettext_lazy("No handler runs for them until they are requeued. Nothing of them is lost.")

    def act(self, targets: Sequence[Target], actor: Actor) -> Mapping[str, str]:
        outcomes: dict[str, str] = {}
        ready = {}
        for target, known in zip(targets, self._known(targets), strict=True):
            outcome = _changed(target, known)
            if known is None or outcome:
                outcomes[target.id] = skip_reason(outcome)
            else:
                ready[target.id] = known
        pipeline = self.client.pipeline(transaction=False)
        scripts = self.scripts()
        for entry_id, known in ready.items():
            scripts.run("settle", self._settling(entry_id, known, actor), pipeline)
        replies = pipeline.execute(raise_on_error=False) if ready else []
        for entry_id, reply in zip(ready, replies, strict=True):
            outcomes[entry_id] = self._reason(reply)
        return {target.id: outcomes[target.id] for target in targets}

    def _known(self, targets: Sequence[Target]) -> list[Known | None]:
        pipeline = self.client.pipeline(transaction=False)
        for target in targets:
            pipeline.xpending_range(self.keys.stream, self.group, target.id, target.id, 1)
            pipeline.xrange(self.keys.stream, target.id, target.id)
            pipeline.hget(self.keys.errors, target.id)
            pipeline.hget(self.keys.progress, target.id)
        replies: Any = pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, redis.ResponseError) and not (self.order.requeued and is_group_gone(reply)):
                raise reply
        return [_known(*replies[at : at + 4]) for at in range(0, len(replies), 4)]

    def _settling(self, entry_id: str, known: Known, actor: Actor) -> list[Any]:
        letters = self._letters(entry_id, known, actor)
        nobody_wants_it = (0, "", b"", b"")
        arguments: list[Any] = [self.group, known.owner, entry_id, known.delivery_count]
        arguments += [int(self.order.requeued), *nobody_wants_it, len(letters)]
        for letter in letters:
            arguments += [2 * len(letter), *flat(letter)]
        return arguments

    def _letters(self, entry_id: str, known: Known, actor: Actor) -> list[dict[str, str | int]]:
        """One dead letter, or one for each handler that has not finished, where others have."""
        text = f"Made a dead letter by {actor.name}"
        if last := known.error.get("error"):
            text = f"{last} ({text[0].lower()}{text[1:]})"
        owner = readable(known.owner)
        entry = Entry(entry_id, known.fields, known.delivery_count)
        fields = Letter(OPERATOR, error=text).fields(entry, "" if owner == RETRY_OWNER else owner)
        if trace := known.error.get("traceback"):
            fields["dead_traceback"] = trace
        names = self._unfinished(entry, known)
        return [{**fields, "dead_handler": name} for name in names] or [fields]

    def _unfinished(self, entry: Entry, known: Known) -> list[str]:
        """The handlers that the dead letters are for; none stands for all of them."""
        if known.progress is None:
            return [*known.error.get("handlers", ())][:1]  # there is one handler, or none was called yet
        try:
            event = Event.from_entry(entry, stream=self.order.stream, group=self.order.group)
            registered = handlers.find(self.order.stream, self.order.group)
        except (ConfigurationError, EventDecodeError):
            return []
        wanted = [one.name for one in registered if one.matches(event.obj_type, event.action)]
        return [name for name in wanted if name not in known.progress.finished] if known.progress.finished else []

    def _reason(self, reply: Any) -> str:
        if isinstance(reply, redis.ResponseError):
            return refusal(reply)
        if isinstance(reply, Exception):
            raise reply
        if reply == 1:
            return ""
        return skip_reason(DELETED) if reply else _("changed by somebody else since you looked")


def _known(rows: Any, found: Any, error: bytes | None, progress: bytes | None) -> Known | None:
    if not isinstance(rows, list) or not rows:
        return None
    (row,) = rows
    fields = found[0][1] if found else {}
    state = Progress.load(progress) if progress else None
    return Known(row["consumer"], row["times_delivered"], fields, failure(error), state)


def _changed(target: Target, known: Known | None) -> str:
    """The outcome of the script ``act`` for what has changed since the operator looked."""
    if known is None:
        return GONE
    owner = readable(known.owner)
    if (target.owner or target.delivery_count) and owner != target.owner:
        return f"owner:{owner}"
    if (target.owner or target.delivery_count) and known.delivery_count != target.delivery_count:
        return "count"
    return "" if known.fields else DELETED
