"""Changes that an operator orders: what would happen, and what has happened.

An ``Order`` says what is wanted. ``plan`` looks at what it would do and changes nothing. ``perform`` does it, in
slices, and looks again at every entry: what somebody else has changed meanwhile is skipped, with the reason.
"""

from __future__ import annotations

from dataclasses import replace

from stream_events.connections import UNAVAILABLE
from stream_events.exceptions import ConfigurationError
from stream_events.operations import audit
from stream_events.operations.acts.burying import Burying
from stream_events.operations.acts.consumer_acts import DeletingConsumer
from stream_events.operations.acts.group_acts import DeletingGroup
from stream_events.operations.acts.letter_acts import Discarding, Requeueing
from stream_events.operations.acts.pending_acts import Acknowledging, Claiming, Retrying
from stream_events.operations.acts.performance import Performance
from stream_events.operations.acts.replaying import Replaying
from stream_events.operations.acts.resetting import Resetting
from stream_events.operations.acts.stream_acts import DeletingStream, Publishing
from stream_events.operations.acts.trimming import Trimming
from stream_events.operations.orders import GIVEN, Level, Order, Plan, Target, Verb, new_nonce
from stream_events.operations.progress import DEFAULT_LIMIT, MOST_REASONS, Actor, Limit, Progress, Skipped

__all__ = [
    "DEFAULT_LIMIT",
    "GIVEN",
    "Actor",
    "Level",
    "Limit",
    "Order",
    "Plan",
    "Progress",
    "Skipped",
    "Target",
    "Verb",
    "confirm",
    "perform",
    "plan",
]

_PERFORMANCES: dict[Verb, type[Performance]] = {
    Verb.ACK: Acknowledging,
    Verb.CLAIM: Claiming,
    Verb.RETRY: Retrying,
    Verb.DEAD: Burying,
    Verb.REQUEUE: Requeueing,
    Verb.DISCARD: Discarding,
    Verb.REPLAY: Replaying,
    Verb.RESET: Resetting,
    Verb.TRIM: Trimming,
    Verb.DELETE_CONSUMER: DeletingConsumer,
    Verb.DELETE_GROUP: DeletingGroup,
    Verb.DELETE_STREAM: DeletingStream,
    Verb.PUBLISH: Publishing,
}


def plan(order: Order) -> Plan:
    """What ``order`` would do. Changes nothing; what it asks is bounded.

    Raises ``ConfigurationError`` when the order makes no sense, such as a group that is missing in it.
    """
    return _performance(order).plan()


def confirm(order: Order) -> bool:
    """Remember that the planned ``order`` was confirmed; False if it was before, and must not be performed again.

    What it picks is looked at again anyway. But a whole group or stream may by now be another one of the same name.
    """
    is_whole = not order.targets and order.where is None
    return not is_whole or _performance(order).remember()


def perform(progress: Progress, actor: Actor, limit: Limit = DEFAULT_LIMIT) -> Progress:
    """Do the next slice; begin with ``Progress(order=plan(order).order)``. What was done is audited with each slice.

    Every entry is looked at again. Doing a slice twice, because its reply was lost, does it once. Raises what the
    Redis client raises if nothing is known of the slice; if something is, that is reported, and the rest is left to
    the next one.
    """
    place = progress.place
    if place is None:
        return progress
    order = progress.order if progress.order.nonce else replace(progress.order, nonce=new_nonce())
    progress = replace(progress, order=order)
    performance = _performance(order)
    try:
        done = performance.slice(place, actor, limit)
    except UNAVAILABLE as error:
        audit.doubt(order, actor, error)
        raise
    after = replace(
        progress,
        batch=order.nonce,
        place=done.place,
        done=progress.done + done.done,
        skipped=progress.skipped + len(done.skipped),
        scanned=progress.scanned + done.scanned,
        total=progress.total if done.total is None else done.total,
        reasons=(*progress.reasons, *done.skipped)[:MOST_REASONS],
        lines=(*progress.lines, *done.lines),
    )
    if done.done or done.has_changed:
        audit.record(after, actor, done=done.done, skipped=len(done.skipped))
    return after


def _performance(order: Order) -> Performance:
    try:
        return _PERFORMANCES[Verb(order.verb)](order)
    except ValueError:
        verbs = ", ".join(verb.value for verb in Verb)
        raise ConfigurationError(f"There is no verb {order.verb!r}; write one of {verbs}.") from None
