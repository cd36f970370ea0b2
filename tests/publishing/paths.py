"""The table of write paths: what each does, and exactly what is told of it, in which order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

KINDS = ("plain", "uuid", "composite", "proxy", "child")


class Told(NamedTuple):
    """One event; ``obj`` is the code of a row that was there before, or new1, new2 in the order of the events."""

    obj: str
    action: str
    data: dict[str, Any]
    changed: list[str] | None = None
    previous: dict[str, Any] | None = None


@dataclass(frozen=True)
class Path:
    """One way to write: ``write`` is given a queryset of the wares, on the database to write to.

    ``told`` are the events of a publisher that declares fields, and ``changes`` has for each of them what
    ``changes=True`` makes of ``changed`` and ``previous``. The others are left out where they say the same:
    ``merged`` is what one transaction tells with ``coalesce=True``, and ``both`` with ``changes=True`` as well;
    ``undeclared`` is what a publisher tells that declares no fields.
    """

    write: Callable[[Any], None]
    told: list[Told]
    changes: list[tuple[list[str], dict[str, Any]] | None] = field(default_factory=list)
    merged: list[Told] | None = None
    both: list[Told] | None = None
    undeclared: list[Told] | None = None
    kinds: tuple[str, ...] = ("plain",)  # of models
    is_long: bool = False  # because of many rows
    refused: dict[str, type[Exception]] = field(default_factory=dict)  # by the kind of database

    @property
    def with_changes(self) -> list[Told]:
        changes = self.changes or [None] * len(self.told)
        return [
            one if change is None else one._replace(changed=change[0], previous=change[1])
            for one, change in zip(self.told, changes, strict=True)
        ]


PATHS: list[Path] = []


def tells(*told, **others):
    """Put the decorated function into the table, with what is told of it."""

    def decorate(write):
        PATHS.append(Path(write, list(told), **others))
        return write

    return decorate


# The rows that are there before every write.
A = {"name": "a", "amount": 1, "box": "old"}
B = {"name": "b", "amount": 2, "box": "old"}
C = {"name": "c", "amount": 3, "box": None}
TAGS = {"a": ["green", "red"], "b": ["red"], "c": []}


def row(name, amount=0, box=None):
    return {"name": name, "amount": amount, "box": box}
