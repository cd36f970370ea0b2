"""Changes that an operator orders: what would happen, and what has happened.

An ``Order`` says what is wanted. ``plan`` looks at what it would do and changes nothing. ``perform`` does it, in
slices, and looks again at every entry: what somebody else has changed meanwhile is skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Verb(StrEnum):
    """What can be ordered. The values are the verbs of ``manage.py streams``."""

    ACK = "ack"
    CLAIM = "claim"  # options: consumer
    RETRY = "retry"
    DEAD = "dead"  # make dead letters of pending entries
    REQUEUE = "requeue"  # have dead letters handled again, by their group only
    DISCARD = "discard"  # delete dead letters
    REPLAY = "replay"  # append entries (or dead letters, with a group) again: every group sees them
    RESET = "reset"  # options: to (“0”, “$”, an entry id, or an ISO time); force
    TRIM = "trim"  # options: maxlen, or before (an entry id, or an ISO time)
    DELETE_CONSUMER = "delete-consumer"  # options: consumer; move: what it holds is handed back first
    DELETE_GROUP = "delete-group"  # options: dead_letters: these as well
    DELETE_STREAM = "delete-stream"
    PUBLISH = "publish"  # options: payload (JSON)


class Level(IntEnum):
    """What has to be given before a plan is performed."""

    PLAIN = 1  # nothing but the order
    CONFIRM = 2  # a yes to the plan
    TYPE_NAME = 3  # and the name of what it is about


class Target(NamedTuple):
    """One entry, or dead letter, as the operator saw it."""

    id: str
    owner: str = ""
    delivery_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``targets`` are what was picked; without them, ``where`` says which: all that match, up to the boundary that
    ``plan`` freezes in ``where["until"]``.

    ``where`` has the fields of ``PendingFilter`` or ``LetterFilter`` as text (idle in seconds). ``requeued``: targets
    are entries that were requeued to the group, not those of the stream.
    """

    verb: Verb
    stream: str
    group: str = ""
    targets: tuple[Target, ...] = ()
    where: Mapping[str, str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    requeued: bool = False

    @classmethod
    def load(cls, text: str) -> Order:
        """The order in ``text``, which ``dump`` wrote; raises ``ConfigurationError`` for anything else."""
        raise NotImplementedError

    def dump(self) -> str:
        """The order as JSON; who sends it to a browser signs it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What performing ``order`` would do now."""

    order: Order  # with its boundary frozen
    summary: str  # “Acknowledge 3 entries of orders/billing.”
    consequence: str  # “Their handlers will never run for them.”
    count: int | None  # None: only performing it tells, as for a filter that no index serves
    level: Level
    name: str  # what to type at level 3
    permission: str  # “stream_events.ack_pendingentry”
    command: str  # the same on the command line
    warnings: tuple[str, ...] = ()
    changes: tuple[tuple[str, str, str], ...] = ()  # what, before, after
    refusal: str = ""  # why it cannot be done; then it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One target that was left alone, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who orders: ``name`` is a user's, or that of the system's user and host on the command line."""

    name: str
    via: str  # “admin” or “command line”


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much one slice does at most."""

    rows: int = 2000
    seconds: float = 3.0


DEFAULT_LIMIT = Limit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a performance has come: all slices together. ``place`` is where to go on, None when it is complete."""

    order: Order
    batch: str = ""  # names the slices that belong together, in the audit
    place: str | None = ""
    done: int = 0
    skipped: int = 0
    scanned: int = 0
    total: int | None = None  # of ``scanned``
    reasons: tuple[Skipped, ...] = ()  # the first of those that were skipped
    lines: tuple[str, ...] = ()  # what else there is to say, such as the id of what was published

    @property
    def is_complete(self) -> bool:
        return self.place is None

    @classmethod
    def load(cls, text: str) -> Progress:
        """As ``Order.load``."""
        raise NotImplementedError

    def dump(self) -> str:
        """As ``Order.dump``: what a later ``perform`` needs to go on, in another process too."""
        raise NotImplementedError

    def report(self) -> str:
        """“18 acknowledged · 2 skipped”."""
        raise NotImplementedError


def plan(order: Order) -> Plan:
    """What ``order`` would do. Changes nothing; what it asks is bounded.

    Raises ``ConfigurationError`` when the order makes no sense, such as a group that is missing in it.
    """
    raise NotImplementedError


def perform(progress: Progress, actor: Actor, limit: Limit = DEFAULT_LIMIT) -> Progress:
    """Do the next slice; begin with ``Progress(order=plan(order).order)``. What was done is audited with each slice.

    Every entry is looked at again. Doing a slice twice, because its reply was lost, does it once.
    """
    raise NotImplementedError
