"""How things in Redis are named in URLs and in the admin's log: as one text."""

from __future__ import annotations

from urllib.parse import quote, unquote

SEPARATOR = "~"  # in no name of a stream or group of this package; other programs' are escaped


def object_id(*parts: str) -> str:
    """The primary key of what ``parts`` name: a stream, its group, and an entry or a consumer of it."""
    return SEPARATOR.join(quote(part, safe=":/ {}@").replace(SEPARATOR, "%7E") for part in parts)


def object_parts(text: str) -> list[str]:
    """The parts that ``object_id`` has put together."""
    return [unquote(part) for part in text.split(SEPARATOR)]
