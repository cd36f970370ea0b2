"""Entries of a transaction: they leave after its commit, together, and only those that were not rolled back."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Sequence
from weakref import WeakKeyDictionary, WeakValueDictionary

import redis
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from stream_events.conf import get_settings
from stream_events.connections import explain
from stream_events.exceptions import StreamEventsError
from stream_events.publishing.entries import NewEntry, append

logger = logging.getLogger("stream_events")

FAILURES = (redis.RedisError, OSError, StreamEventsError)

_numbers = itertools.count()
_waiting: WeakKeyDictionary[BaseDatabaseWrapper, WeakValueDictionary[int, CommitHook]] = WeakKeyDictionary()


class CommitHook:
    """The entries of one write, as a callback for ``transaction.on_commit``.

    Django's list of callbacks holds the only reference to a hook. What Django drops from it, because a savepoint
    or the transaction was rolled back, is therefore gone from ``_waiting`` as well, and the first hook that runs
    after the commit can send what is left there in one pipeline. Nobody else may keep a hook.
    """

    __slots__ = ("__weakref__", "connection", "entries")

    def __init__(self, connection: BaseDatabaseWrapper, entries: Sequence[NewEntry]) -> None:
        self.connection = connection
        self.entries = entries

    def __call__(self) -> None:
        if self.entries:
            send([entry for hook in self._due() for entry in hook.take()])

    def take(self) -> Sequence[NewEntry]:
        taken, self.entries = self.entries, ()
        return taken

    def _due(self) -> list[CommitHook]:
        # Inside a transaction it is a test that runs its callbacks, and not every one of them; and without
        # reference counting a dropped hook may linger. Each hook then sends its own.
        if self.connection.in_atomic_block or sys.implementation.name != "cpython":
            return [self]
        return list(_waiting[self.connection].values())


def send_after_commit(entries: Sequence[NewEntry], using: str) -> None:
    """Send ``entries`` when the transaction on the database ``using`` commits; at once where there is none.

    Raises Django's ``TransactionManagementError`` under manual transaction management, as ``on_commit`` does.
    """
    connection = transaction.get_connection(using)
    hook = CommitHook(connection, entries)
    _waiting.setdefault(connection, WeakValueDictionary())[next(_numbers)] = hook
    try:
        transaction.on_commit(hook, using=using, robust=get_settings().on_failure != "raise")
    except transaction.TransactionManagementError:
        hook.take()  # whoever keeps the error keeps the hook
        raise


def send(entries: Sequence[NewEntry]) -> None:
    """Send ``entries`` now; what Redis does not take is logged, or raised if ``ON_FAILURE`` is ``"raise"``."""
    try:
        replies = append(entries)
    except FAILURES as error:
        _failed(entries, error)
        return
    refused = [(entry, reply) for entry, reply in zip(entries, replies, strict=True) if not isinstance(reply, str)]
    if refused:
        _failed([entry for entry, _ in refused], refused[0][1])


def _failed(entries: Sequence[NewEntry], error: Exception) -> None:
    for entry in entries:
        logger.error(
            "event_not_published stream=%s event=%r event_id=%s error=%r",
            entry.stream,
            entry.about,
            entry.event_id,
            explain(error),
        )
    if get_settings().on_failure == "raise":
        raise error
