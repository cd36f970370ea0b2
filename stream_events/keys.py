"""Names: of Redis keys, of the streams and groups that can become one, and lists of them in options."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stream_events.exceptions import ConfigurationError

NO_GROUP = ""  # stands for the group of what is handled without one
RETRY_OWNER = "~retry"  # the consumer that owns all entries that wait; the scripts know it as well
LONGEST_STREAM = 200  # characters; the name is a column of the outbox
TOMBSTONE = "deleted"  # what the cursor holds after an operator has deleted the group

_RELAY = "relay:"
_STATS = "stats:"
_HASH_TAG = re.compile(r"\A[^{}]*\{[^{}]+\}[^{}]*\Z")
_DERIVED = re.compile(rb"\{[^{}]+\}[^{}]*:[^:{}~\s]+:(dead|requeue)\Z")
_GROUP_FORBIDDEN = re.compile(r"[:{}~\s]")


def check_stream(stream: str) -> None:
    """Raise ``ConfigurationError`` unless ``stream`` can name a stream.

    Braces are allowed only as one non-empty Redis Cluster hash tag, because the keys that belong to a
    stream have to share its slot.
    """
    if not isinstance(stream, str) or not stream or stream.isspace():
        raise ConfigurationError(f"A stream name is a non-empty string, got {stream!r}.")
    if len(stream) > LONGEST_STREAM:
        raise ConfigurationError(f"Stream {stream[:20]!r}…: a name has at most {LONGEST_STREAM} characters.")
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


def check_cache_prefix(prefix: str) -> None:
    """Raise ``ConfigurationError`` unless ``prefix`` can be put before the keys of a cache, and of nothing else."""
    if not isinstance(prefix, str) or not prefix or not prefix.isprintable():
        raise ConfigurationError(
            f"The prefix of a cache is a non-empty printable string such as “cache:”, got {prefix!r}."
        )
    for own in (_RELAY, _STATS):
        if prefix.startswith(own) or own.startswith(prefix):
            raise ConfigurationError(f"Cache prefix {prefix!r}: “{own}” is reserved; choose another such as “cache:”.")


def check_position(name: str) -> None:
    """Raise ``ConfigurationError`` unless ``name`` can name a position in a stream."""
    if not isinstance(name, str) or not name or _GROUP_FORBIDDEN.search(name):
        raise ConfigurationError(f"A position's name is a text without colon, brace, space or “~”, got {name!r}.")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKeys:
    """The keys of one group of a stream; all of them lie in the stream's Cluster slot."""

    stream: str  # the entries
    retry: str  # waiting entries by the time that they are due
    lost: str  # due times of a group that was lost, until they are put back
    progress: str  # what each handler has made of entries that several handlers want
    errors: str  # of waiting entries: how they failed the last time
    dead: str  # dead letters, a stream
    requeue: str  # entries for this group only, a stream
    consumers: str  # names of consumers by the time that their leases end
    cursor: str  # up to where everything is handled


def group_keys(stream: str, group: str, prefix: str = "") -> GroupKeys:
    """The keys of ``group`` of ``stream``; the derived ones carry the stream's hash tag."""
    return _group_keys(stream_key(stream, prefix), _base(stream, group, prefix))


def is_derived(key: bytes, prefix: str = "") -> bool:
    """Whether ``key`` belongs to a stream, or to this package, and is none that anybody publishes to."""
    return bool(_DERIVED.search(key)) or key.startswith(f"{prefix}~".encode())


def relay_key(alias: str, prefix: str = "") -> str:
    """The key of the lock that relays of the database ``alias`` hold where rows cannot be locked."""
    return f"{prefix}~{_RELAY}{alias}"


def audit_key(prefix: str = "") -> str:
    """The stream of what operators did."""
    return f"{prefix}~audit"


def tick_key(minute: int, prefix: str = "") -> str:
    """The key that whoever takes the samples of ``minute`` holds."""
    return f"{prefix}~{_STATS}tick:{minute}"


def stats_key(stream: str, group: str, period: str, prefix: str = "") -> str:
    """The samples of ``group`` in one ``period``, or of the stream itself for ``NO_GROUP``."""
    return f"{_base(stream, 'stats', prefix)}:{period}:{group}"


def stats_index_key(stream: str, prefix: str = "") -> str:
    """The names of the groups of ``stream`` that there are samples of."""
    return f"{_base(stream, 'stats', prefix)}:groups"


def cache_root(cache_prefix: str, prefix: str = "") -> str:
    """What every key of a cache begins with; by its “~” none is that of a stream, or of what belongs to one."""
    return f"{prefix}~{cache_prefix}"


def position_key(stream: str, name: str, prefix: str = "") -> str:
    """The key that holds how far the consumer without a group that is called ``name`` has come in ``stream``."""
    return f"{_base(stream, '~position', prefix)}:{name}"


def order_key(stream: str, nonce: str, prefix: str = "") -> str:
    """The key that says how far an operator's order has come whose acts cannot be seen from what they left."""
    return f"{_base(stream, '~order', prefix)}:{nonce}"


def requeue_keys(stream: str, group: str, prefix: str = "") -> GroupKeys:
    """As ``group_keys``, where ``group`` reads what was requeued to it; these entries wait apart from the others."""
    base = _base(stream, group, prefix)
    return _group_keys(f"{base}:requeue", base, "requeue-")


def _base(stream: str, group: str, prefix: str) -> str:
    key = stream_key(stream, prefix)
    tagged = key if _HASH_TAG.match(key) else f"{{{key}}}"
    return f"{tagged}:{group}"


def _group_keys(stream: str, base: str, kind: str = "") -> GroupKeys:
    return GroupKeys(
        stream=stream,
        retry=f"{base}:{kind}retry",
        lost=f"{base}:{kind}lost",
        progress=f"{base}:{kind}progress",
        errors=f"{base}:{kind}errors",
        dead=f"{base}:dead",
        requeue=f"{base}:requeue",
        consumers=f"{base}:consumers",
        cursor=f"{base}:cursor",
    )
