"""Names of streams, groups and consumers, which other programs choose as they like: as text, and back."""

from __future__ import annotations

import re

from stream_events.conf import get_settings

_LIKE_AN_ESCAPE = re.compile(rb"\\(?=x[0-9a-f]{2})")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


def readable(name: bytes) -> str:
    r"""``name`` as text that says all of it: bytes that are no UTF-8 become ``\xff``, as redis-cli shows them."""
    return _LIKE_AN_ESCAPE.sub(rb"\\x5c", name).decode("utf-8", "backslashreplace")


def key_prefix() -> str:
    """``KEY_PREFIX`` as it stands before such names."""
    return readable(get_settings().key_prefix.encode())


def raw(name: str) -> bytes:
    """The bytes that ``readable`` has made ``name`` of."""
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), name.encode("utf-8", "backslashreplace"))
