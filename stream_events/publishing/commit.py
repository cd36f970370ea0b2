"""Entries of a transaction: they leave after its commit, together, and only those that were not rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from stream_events.conf import get_settings
from stream_events.publishing.delivery import send
from stream_events.publishing.entries import NewEntry

Positions = dict[tuple[str, ...], list[int]]  # of rows of the outbox, by object

_CURRENT = "stream_events_transaction"  # the attribute of a connection
_NO_SAVEPOINTS: frozenset[str] = frozenset()


class CommitHook:
    """The entries of one write; its ``run`` is a callback for ``transaction.on_commit``.

    The first one that runs after a commit also sends the entries of those that are still to run, so that a
    transaction leaves in one pipeline. It finds them in Django's own list of callbacks, from which Django takes
    one after the other, and which it replaces when it rolls back a savepoint.
    """

    __slots__ = ("entries", "savepoints", "transaction", "using")

    def __init__(self, connection: BaseDatabaseWrapper, entries: Sequence[NewEntry]) -> None:
        self.using = connection.alias
        self.entries = list(entries)
        savepoints = connection.savepoint_ids
        self.savepoints = frozenset(savepoints) if savepoints else _NO_SAVEPOINTS
        self.transaction = _transaction(connection) if connection.in_atomic_block else None

    def run(self) -> None:
        if self.entries:
            send([entry for hook in self._due() for entry in hook._take()], self.using)

    def takes(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether what is written now on ``connection`` will survive if this has, and not otherwise."""
        if self.savepoints != set(connection.savepoint_ids):
            return False
        return not _is_test(connection)

    def _take(self) -> Sequence[NewEntry]:
        taken, self.entries = self.entries, []
        return taken

    def _due(self) -> list[CommitHook]:
        """This hook and those that are known to have survived as well, in the order of their writes."""
        # In a transaction, it is a test that runs its callbacks, and perhaps not all of them.
        if self.transaction is None or transaction.get_connection(self.using).in_atomic_block:
            return [self]
        listed = _hooks(self.transaction.callbacks)
        if self not in listed:
            return [self, *listed]  # Django has taken us from the list, so that is the one it is running
        # A savepoint was rolled back after the last write, and took the end of the list with it. What was written
        # under our savepoints, or fewer, has survived with us, and so has everything before it.
        last = max(at for at, hook in enumerate(listed) if hook.savepoints <= self.savepoints)
        return listed[listed.index(self) : last + 1]


class _Transaction:
    """What the hooks of one transaction share: Django's list of callbacks as it was at the last write.

    ``rows`` are the rows of the outbox that may be written again.
    """

    __slots__ = ("callbacks", "rows")

    def __init__(self) -> None:
        self.callbacks: list[Any] = []
        self.rows: Positions | None = None


def _transaction(connection: BaseDatabaseWrapper) -> _Transaction:
    """The transaction on ``connection``: another one when Django's list is new and has none of our hooks."""
    callbacks: list[Any] = connection.run_on_commit
    current: _Transaction | None = getattr(connection, _CURRENT, None)
    if current is None or current.callbacks is not callbacks:
        earlier = next((hook.transaction for hook in _hooks(callbacks)), None)
        current = earlier or _Transaction()
        setattr(connection, _CURRENT, current)
        current.callbacks = callbacks
    return current


def _hooks(callbacks: list[Any]) -> list[CommitHook]:
    owners = (getattr(function, "__self__", None) for _, function, *_ in callbacks)
    return [owner for owner in owners if isinstance(owner, CommitHook)]


def send_after_commit(entries: Sequence[NewEntry], using: str) -> None:
    """Send ``entries`` when the transaction on the database ``using`` commits; at once where there is none.

    Raises Django's ``TransactionManagementError`` under manual transaction management, as ``on_commit`` does.
    """
    connection = transaction.get_connection(using)
    if connection.in_atomic_block and connection.run_on_commit:
        last = getattr(connection.run_on_commit[-1][1], "__self__", None)
        if isinstance(last, CommitHook) and last.takes(connection):
            last.entries += entries
            return
    hook = CommitHook(connection, entries)
    is_robust = get_settings().on_failure != "raise"
    connection.on_commit(hook.run, robust=is_robust)
    if is_robust and connection.in_atomic_block and not _is_test(connection):
        _let_ours_go_first(connection.run_on_commit)


def _let_ours_go_first(callbacks: list[Any]) -> None:
    """Have the first hook, which sends for all, run before callbacks of others: they may raise, or publish as well."""
    # A savepoint that takes it back takes those that follow it as well.
    if not any(hook.entries for hook in _hooks(callbacks[:1])):
        callbacks.insert(0, callbacks.pop())


def _is_test(connection: BaseDatabaseWrapper) -> bool:
    """Whether a test may run some callbacks and not others: each write has one of its own then, in its place."""
    return bool(getattr(connection.atomic_blocks[0], "_from_testcase", False))


def rows_of_transaction(using: str) -> Positions:
    """Where the transaction on ``using`` notes which rows of the outbox it has written.

    What a savepoint took back may still be noted.
    """
    current = _transaction(transaction.get_connection(using))
    if current.rows is None:
        current.rows = {}
        send_after_commit([], using)  # Django's list of callbacks, which it replaces, keeps the hook and this with it
    return current.rows
