"""What an operator orders, and the plan of what that would do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from stream_events.exceptions import ConfigurationError

GIVEN = "yes"  # the value of an option that is a switch


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
    """One entry, or dead letter, as the operator saw it; with no owner and no count, only its id is known."""

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
    nonce: str = ""  # tells it from another one like it; ``plan`` gives it

    @classmethod
    def load(cls, text: str) -> Order:
        """The order in ``text``, which ``dump`` wrote; raises ``ConfigurationError`` for anything else."""
        return cls.from_plain(plain(text, "order"))

    @classmethod
    def from_plain(cls, known: Any) -> Order:
        """The order of which ``to_plain`` made ``known``."""
        try:
            where = known["where"]
            return cls(
                verb=Verb(known["verb"]),
                stream=_text(known["stream"]),
                group=_text(known["group"]),
                targets=tuple(Target(_text(one), _text(owner), int(count)) for one, owner, count in known["targets"]),
                where=None if where is None else _texts(where),
                options=_texts(known["options"]),
                requeued=bool(known["requeued"]),
                nonce=_text(known["nonce"]),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise ConfigurationError(f"This is no order: {error!r}. Give what dump() wrote.") from error

    def to_plain(self) -> dict[str, Any]:
        """The order in values of JSON."""
        return {
            "verb": self.verb.value,
            "stream": self.stream,
            "group": self.group,
            "targets": [list(target) for target in self.targets],
            "where": None if self.where is None else dict(self.where),
            "options": dict(self.options),
            "requeued": self.requeued,
            "nonce": self.nonce,
        }

    def dump(self) -> str:
        """The order as JSON; who sends it to a browser signs it."""
        return json.dumps(self.to_plain(), separators=(",", ":"))


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


def with_option(order: Order, name: str, value: str) -> Order:
    return replace(order, options={**order.options, name: value})


def new_nonce() -> str:
    return uuid.uuid4().hex[:16]


def plain(text: str, what: str) -> Any:
    """The JSON in ``text``; raises ``ConfigurationError`` where it is none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"This is no {what}: {error}. Give what dump() wrote.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        raise TypeError(f"{values!r} is no mapping")
    return {_text(name): _text(value) for name, value in values.items()}
