"""What an SQL statement writes, as far as its text tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

Verb = Literal["INSERT", "UPDATE", "DELETE"]

_NAME = r"""(?:"[^"]+"|`[^`]+`|\[[^\]]+\]|[\w$]+)"""
_TABLE = rf"{_NAME}(?:\s*\.\s*{_NAME})*"

# Every statement of the project passes here, so the first test fails at the first letter of a SELECT or SAVEPOINT.
_MAY_WRITE = re.compile(
    r"(?:\s|/\*.*?\*/|--[^\n]*\n)*(?:INSERT|REPLACE|UPDATE|DELETE|TRUNCATE|WITH)\b", re.IGNORECASE | re.DOTALL
)
# The UPDATE of an upsert and of a lock names no table.
_WRITE = re.compile(
    rf"""
    \b(?: (?P<INSERT>INSERT|REPLACE) \b [\s\w]*? \bINTO
        | (?P<UPDATE>(?<!\bDO\s)(?<!\bKEY\s)(?<!\bFOR\s)UPDATE) (?:\s+(?:OR\s+\w+|IGNORE|LOW_PRIORITY))*
        | (?P<DELETE>DELETE (?:\s+{_TABLE})? \s+FROM | TRUNCATE (?:\s+TABLE)?)
    )
    (?:\s+ONLY)? \s+ (?P<table>{_TABLE})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_UPSERT = re.compile(r"\b(?:DO|KEY)\s+UPDATE\b", re.IGNORECASE)
_BEFORE_WHERE = re.compile(r".*(?=\bWHERE\b)", re.IGNORECASE | re.DOTALL)
_ACTIONS: dict[Verb, str] = {"INSERT": "create", "UPDATE": "update", "DELETE": "delete"}


class Write(NamedTuple):
    """One table that a statement writes; ``rest`` is the text after the table's name."""

    verb: Verb
    actions: frozenset[str]  # what an event about it would have for its action
    table: str
    rest: str

    def assigns(self, column: str) -> bool:
        """Whether an UPDATE may change ``column``: it stands before the condition."""
        before = _BEFORE_WHERE.match(self.rest)
        text = before[0] if before else self.rest
        return re.search(rf"(?<![\w$]){re.escape(column)}(?![\w$])", text, re.IGNORECASE) is not None


def writes_in(sql: str) -> Iterator[Write]:
    """The writes of ``sql``, which may be several statements."""
    if not _MAY_WRITE.match(sql):
        return
    for found in _WRITE.finditer(sql):
        rest = sql[found.end() :]
        verb = next(verb for verb in _ACTIONS if found[verb])
        actions = {_ACTIONS[verb]}
        if verb == "INSERT" and (found[verb].upper() == "REPLACE" or _UPSERT.search(rest)):
            actions.add("update")
        yield Write(verb, frozenset(actions), plain_name(found["table"]), rest)
        if found.start() == 0 and ";" not in rest:
            return  # the rest of an INSERT can be long


@lru_cache
def plain_name(table: str) -> str:
    """The name of ``table`` without its schema and quotes, in lower case."""
    names: list[str] = re.findall(_NAME, table)
    return names[-1].strip('"`[]').lower()
