"""Names: of Redis keys, of the streams and groups that can become one, and lists of them in options."""

import re
from collections.abc import Iterable

from stream_events.exceptions import ConfigurationError

_HASH_TAG = re.compile(r"\A[^{}]*\{[^{}]+\}[^{}]*\Z")
_GROUP_FORBIDDEN = re.compile(r"[:{}~\s]")


def check_stream(stream: str) -> None:
    """Raise ``ConfigurationError`` unless ``stream`` can name a stream.

    Braces are allowed only as one non-empty Redis Cluster hash tag, because the keys that belong to a
    stream have to share its slot.
    """
    if not isinstance(stream, str) or not stream or stream.isspace():
        raise ConfigurationError(f"A stream name is a non-empty string, got {stream!r}.")
    if "~" in stream:
        raise ConfigurationError(f"Stream {stream!r}: “~” is reserved; choose a name without it.")
    if ("{" in stream or "}" in stream) and not _HASH_TAG.match(stream):
        raise ConfigurationError(
            f"Stream {stream!r}: braces may only form one Redis Cluster hash tag, as in “{{shop}}-orders”."
        )


def check_group(group: str) -> None:
    """Raise ``ConfigurationError`` unless ``group`` can name a consumer group."""
    if not isinstance(group, str) or not group:
        raise ConfigurationError(f"A group name is a non-empty string, got {group!r}.")
    if _GROUP_FORBIDDEN.search(group) or group == "stats":
        raise ConfigurationError(
            f"Group {group!r}: a group name has no colon, brace, space or “~”, and is not “stats”."
        )


def check_names(option: str, names: Iterable[str]) -> tuple[str, ...]:
    """``names`` as a tuple; raises ``ConfigurationError`` when the value of ``option`` is no list of names."""
    if isinstance(names, str):
        raise ConfigurationError(f"{option} is the string {names!r}; write {option}=[{names!r}].")
    if not isinstance(names, Iterable):
        raise ConfigurationError(f"{option} is {names!r}, not a list of names.")
    found = tuple(names)
    if not all(isinstance(name, str) and name for name in found):
        raise ConfigurationError(f"{option} is {found!r}, which holds something else than names.")
    return found


def stream_key(stream: str, prefix: str = "") -> str:
    """The Redis key that holds the entries of ``stream``."""
    return f"{prefix}{stream}"
