"""What every verb does with its order: check it, plan it, and perform it slice by slice."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import redis

from stream_events.connections import inspecting_client
from stream_events.consuming.replies import is_out_of_memory
from stream_events.consuming.scripts import Scripts
from stream_events.exceptions import ConfigurationError
from stream_events.keys import GroupKeys, group_keys, is_derived, order_key, requeue_keys, stream_key
from stream_events.operations.command import command_for
from stream_events.operations.inspection import stream_states
from stream_events.operations.names import key_prefix, raw, readable
from stream_events.operations.orders import GIVEN, Level, Order, Plan, new_nonce
from stream_events.operations.progress import Actor, Limit, Skipped
from stream_events.operations.states import GroupState, StreamState

CHEAP = 50  # entries that are dropped in the time of one that is looked at again

CONFIRMED = 7200  # seconds that is remembered what was confirmed; a plan is good for an hour


@dataclass(slots=True, kw_only=True)
class Slice:
    """What one slice did; ``place`` is where the next one begins."""

    place: str | None
    done: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    scanned: int = 0
    total: int | None = None
    lines: list[str] = field(default_factory=list)
    has_changed: bool = False  # something, although nothing counts as done yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a plan has seen, beside what its verb says always."""

    order: Order
    summary: str
    consequence: str = ""
    count: int | None = None
    level: Level | None = None
    warnings: list[str] = field(default_factory=list)
    changes: tuple[tuple[str, str, str], ...] = ()
    refusal: str = ""


class Performance(ABC):
    """Plans and performs ``order``; raises ``ConfigurationError`` for one that makes no sense."""

    permission: ClassVar[str]
    level: ClassVar[Level] = Level.TYPE_NAME
    options: ClassVar[tuple[str, ...]] = ()
    takes_group: ClassVar[bool] = True
    may_have_group: ClassVar[bool] = False
    takes_targets: ClassVar[bool] = False

    def __init__(self, order: Order) -> None:
        self.order = order
        self.prefix = key_prefix()
        self.stream_key = raw(stream_key(order.stream, self.prefix))
        self.group = raw(order.group)
        self.client: redis.Redis = inspecting_client()
        self.check()

    @abstractmethod
    def look(self) -> Look:
        """What the order would do; changes nothing."""

    @abstractmethod
    def slice(self, place: str, actor: Actor, limit: Limit) -> Slice:
        """Do what follows ``place``, up to the limit."""

    @property
    def name(self) -> str:
        """What is to be typed where that is asked for."""
        return self.order.group if self.takes_group else self.order.stream

    @property
    def label(self) -> str:
        """The group or the stream, for people."""
        return f"{self.order.stream}/{self.order.group}" if self.takes_group else self.order.stream

    def plan(self) -> Plan:
        """The whole plan."""
        look = self.look()
        return Plan(
            order=replace(look.order, nonce=look.order.nonce or new_nonce()),
            summary=look.summary,
            consequence=look.consequence,
            count=look.count,
            level=look.level or self.level,
            name=self.name,
            permission=f"stream_events.{self.permission}",
            command=command_for(look.order),
            warnings=tuple(look.warnings),
            changes=look.changes,
            refusal=look.refusal,
        )

    def check(self) -> None:
        """Raise ``ConfigurationError`` if the order has too much or too little."""
        order, verb = self.order, self.order.verb
        if not order.stream or is_derived(self.stream_key, self.prefix):
            raise ConfigurationError(f"{order.stream!r} is no stream of events; name one.")
        if self.takes_group and not order.group:
            raise ConfigurationError(f"{verb} needs a group: name it after the stream {order.stream!r}.")
        if order.group and not (self.takes_group or self.may_have_group):
            raise ConfigurationError(f"{verb} is about a whole stream; leave the group {order.group!r} away.")
        if order.requeued and not self.takes_targets:
            raise ConfigurationError(f"{verb} has nothing to do with requeued entries; leave that away.")
        for option in order.options:
            if option not in self.options:
                raise ConfigurationError(unknown(option, str(verb), self.options))
        if not self.takes_targets and (order.targets or order.where is not None):
            raise ConfigurationError(f"{verb} takes no entries; leave ids and filters away.")
        if self.takes_targets and order.targets and order.where is not None:
            raise ConfigurationError(f"{verb} takes ids or a filter, not both.")
        if self.takes_targets and not order.targets and order.where is None:
            raise ConfigurationError(f"{verb} needs the ids of entries, or a filter; an empty filter means all.")

    def remember(self) -> bool:
        """Whether nobody has asked for the order so far."""
        mark: Any = raw(order_key(self.order.stream, f"{self.order.nonce}-confirmed", self.prefix))
        try:
            return bool(self.client.set(mark, 1, nx=True, ex=CONFIRMED))
        except redis.ResponseError as error:
            if is_out_of_memory(error):
                return True  # what deletes must be possible most of all then
            raise

    def required(self, option: str) -> str:
        """The value of an option that has to be there."""
        value = self.order.options.get(option, "")
        if not value:
            raise ConfigurationError(f"{self.order.verb} needs the option {option!r}.")
        return value

    def is_given(self, option: str) -> bool:
        """Whether the switch ``option`` is on; raises ``ConfigurationError`` for a value that is neither."""
        value = self.order.options.get(option, "")
        if value not in ("", "no", GIVEN):
            raise ConfigurationError(f"The option {option!r} is {value!r}; write {GIVEN!r}, or leave it away.")
        return value == GIVEN

    def states(self) -> StreamState:
        """The stream and its groups as they are."""
        return stream_states([self.order.stream])[0]

    def group_in(self, stream: StreamState) -> GroupState:
        """The group of the order, whether it is there or not."""
        missing = GroupState(stream=self.order.stream, name=self.order.group, exists=False)
        return next((one for one in stream.groups if one.name == self.order.group), missing)

    @cached_property
    def keys(self) -> Any:
        """The ``GroupKeys`` of the entries that the order is about, in bytes: others name groups as they like."""
        return self.keys_of(self.order.group, requeued=self.order.requeued)

    def keys_of(self, group: str, *, requeued: bool = False) -> Any:
        """As ``keys``, of any group of the stream."""
        make = requeue_keys if requeued else group_keys
        keys: dict[str, Any] = asdict(make(self.order.stream, group, self.prefix))
        for name, value in keys.items():
            keys[name] = raw(value)
        return GroupKeys(**keys)

    def scripts(self, keys: Any = None) -> Scripts:
        return Scripts(self.client, keys or self.keys)

    def running(self) -> list[str]:
        """The names of consumers of the group whose lease is alive."""
        seconds, microseconds = self.client.time()
        found: Any = self.client.zrangebyscore(
            self.keys.consumers, f"({seconds * 1000 + microseconds // 1000}", "+inf"
        )
        return sorted(map(readable, found))


def unknown(option: str, verb: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(option, known, 1)
    if not known:
        return f"{verb} has no options, got {option!r}."
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{verb} has no option {option!r}. {hint}It has: {', '.join(known)}."
