"""What operators did, in the log of Django's admin: a row for each thing, and for a batch one row in all."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest

from stream_events.admin.names import object_id
from stream_events.admin.orders.words import where_words
from stream_events.models import Consumer, ConsumerGroup, Stream
from stream_events.operations.plans import Order, Progress, Verb

MOST_ROWS = 100  # one each

_FLAGS = {
    Verb.PUBLISH: ADDITION,
    Verb.DISCARD: DELETION,
    Verb.DELETE_CONSUMER: DELETION,
    Verb.DELETE_GROUP: DELETION,
    Verb.DELETE_STREAM: DELETION,
}


def log_progress(request: HttpRequest, model: type[Model], *, before: Progress, after: Progress) -> None:
    """Write down what the slice between the two has done. ``model`` is that of the targets."""
    if after.done == before.done and after.lines == before.lines:
        return
    order = after.order
    is_whole = not before.scanned and after.is_complete
    if is_whole and 0 < len(order.targets) <= MOST_ROWS and order.group:
        skipped = {one.id for one in after.reasons}
        things = [
            model(pk=object_id(order.stream, order.group, target.id))
            for target in order.targets
            if target.id not in skipped
        ]
        _write(request, things, order, _message(after))
    else:
        _write_batch(request, _subject(order), after)


def _write_batch(request: HttpRequest, thing: Model, progress: Progress) -> None:
    """One row, which tells the counts of all slices so far."""
    mark = f"batch {progress.batch}"
    message = f"{_message(progress)} · {mark}"
    manager: Any = LogEntry.objects
    rows = manager.filter(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(thing, for_concrete_model=False),
        object_id=str(thing.pk),
        change_message__endswith=mark,
    )
    if not rows.update(change_message=message):
        _write(request, [thing], progress.order, message)


def _write(request: HttpRequest, things: list[Model], order: Order, message: str) -> None:
    if things:
        manager: Any = LogEntry.objects
        manager.log_actions(request.user.pk, things, _FLAGS.get(order.verb, CHANGE), message)


def _message(progress: Progress) -> str:
    order = progress.order
    options = [f"{name}: {value}" for name, value in order.options.items() if name != "payload"]
    parts = [progress.report(), *(f"{name}: {value}" for name, value in where_words(order)), *options]
    return " · ".join([*parts, *progress.lines])


def _subject(order: Order) -> Model:
    """What an order is about that names no targets, or too many."""
    if order.verb is Verb.DELETE_CONSUMER:
        return Consumer(pk=object_id(order.stream, order.group, order.options.get("consumer", "")))
    if order.group:
        return ConsumerGroup(pk=object_id(order.stream, order.group))
    return Stream(pk=object_id(order.stream))
