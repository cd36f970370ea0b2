"""Moments in a transaction: whether what was read or written at one has been rolled back since."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

Savepoints = tuple[Any, ...]


class Moment:
    """The time under certain savepoints of a transaction on the database ``alias``."""

    __slots__ = ("alias", "is_committed", "savepoints")

    def __init__(self, alias: str, savepoints: Savepoints) -> None:
        self.alias = alias
        self.savepoints = savepoints
        self.is_committed = False
        transaction.on_commit(self.confirm, using=alias, robust=True)

    def confirm(self) -> None:
        self.is_committed = True

    def stands(self) -> bool:
        """Whether it was committed, or can still be."""
        return self.is_committed or _standing(connections[self.alias]).get(self.savepoints) is self


# For each connection: Django's list of callbacks, and the moments whose callbacks are in it.
_current: WeakKeyDictionary[BaseDatabaseWrapper, tuple[list[Any], dict[Savepoints, Moment]]] = WeakKeyDictionary()


def current_moment(alias: str) -> Moment | None:
    """The moment that it is on the database ``alias``; None in autocommit, where nothing is rolled back."""
    connection = transaction.get_connection(alias)
    if not connection.in_atomic_block:
        return None
    standing = _standing(connection)
    savepoints = tuple(connection.savepoint_ids)
    moment = standing.get(savepoints)
    if moment is None:
        moment = standing[savepoints] = Moment(alias, savepoints)
    return moment


def _standing(connection: BaseDatabaseWrapper) -> dict[Savepoints, Moment]:
    """The moments of the transaction on ``connection`` that can still be committed."""
    callbacks: list[Any] = connection.run_on_commit
    current = _current.get(connection)
    if current is None or current[0] is not callbacks:  # Django makes a new list at each rollback and commit
        owners = (getattr(function, "__self__", None) for _, function, *_ in callbacks)
        current = callbacks, {one.savepoints: one for one in owners if isinstance(one, Moment)}
        _current[connection] = current
    return current[1]
