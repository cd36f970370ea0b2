"""Values that can be made again, kept in Redis beside the streams, each for as long as it is good."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import redis
from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder

from stream_events.conf import settings_for
from stream_events.connections import UNAVAILABLE, cache_client, explain, parse, safe_url
from stream_events.exceptions import (
    LONGEST_WAIT,
    CacheDecodeError,
    CacheInputError,
    ConfigurationError,
    RedisUnavailableError,
)
from stream_events.keys import cache_root, check_cache_prefix

AT_A_TIME = 1000  # keys that are looked at, and deleted, in one trip

_P = ParamSpec("_P")
_R = TypeVar("_R")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_encoder = DjangoJSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def escape_pattern(text: str) -> str:
    """``text`` as a part of a pattern, in which it means only itself."""
    return re.sub(r"[*?\[\]\\]", r"\\\g<0>", text)


def _awaited(method: Callable[_P, _R]) -> Callable[_P, Coroutine[Any, Any, _R]]:
    """``method`` for async code: it runs in a thread, and no other call waits for it."""

    @functools.wraps(method)
    async def twin(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await sync_to_async(method, thread_sensitive=False)(*args, **kwargs)

    twin.__name__ = f"a{method.__name__}"
    twin.__qualname__ = f"RedisCache.{twin.__name__}"
    twin.__doc__ = f"``{method.__name__}`` for async code."
    return twin


class RedisCache:
    """Values under names, in Redis, with all keys below one ``prefix`` that is the cache's own.

    ``url`` is that of the setting ``STREAM_EVENTS`` unless it is given, and ``KEY_PREFIX`` goes before ``prefix``; no
    Django settings are needed. A value is kept as JSON and comes back as Python has it: what ``decode_responses``
    says, and so it cannot be False. One step of a command may take ``timeout`` seconds, and none is repeated.

    The methods raise ``CacheInputError`` for what cannot be a key, a pattern, a value or an expiry,
    ``RedisUnavailableError`` when Redis cannot be reached, and what the Redis client raises when Redis refuses. The
    constructor, which connects to nothing, raises ``ConfigurationError``, and so does the first use if the project's
    settings are wrong.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        prefix: str = "cache:",
        timeout: float = 1.0,
        decode_responses: bool = True,
    ) -> None:
        check_cache_prefix(prefix)
        if not isinstance(timeout, int | float) or not 0 < timeout <= LONGEST_WAIT:
            raise ConfigurationError(f"timeout is a number of seconds above 0, got {timeout!r}.")
        if decode_responses is not True:
            raise ConfigurationError("A RedisCache returns what was put in, not bytes; leave decode_responses out.")
        if url is not None:
            if not isinstance(url, str):
                raise ConfigurationError(f"The URL of a cache is a string, got {type(url).__name__}.")
            parse(settings_for(url).url)
        self._url = url
        self._prefix = prefix
        self._timeout = timeout

    def set(self, key: str, value: Any, *, expire_at: datetime | None = None) -> None:
        """Keep ``value`` under ``key`` until the moment ``expire_at``, or until it is deleted.

        Value and expiry are one command, and replace those that were there. After a moment that has passed, the key
        is gone.
        """
        name, encoded = self._key(key), _json(key, value)
        moment = None if expire_at is None else _milliseconds(expire_at)
        with self._reaching() as client:
            client.set(name, encoded, pxat=moment)

    def get(self, key: str, default: Any = None) -> Any:
        """The value under ``key``, or ``default`` where there is none.

        Raises ``CacheDecodeError`` for what another program has left there: ``delete`` the key, or set it anew.
        """
        name = self._key(key)
        with self._reaching() as client:
            try:
                raw: Any = client.get(name)
            except redis.ResponseError as error:
                if str(error).startswith("WRONGTYPE"):
                    raise CacheDecodeError(f"cache key {key!r} holds no value: another program uses it") from error
                raise
        return default if raw is None else _value(key, raw)

    def store_and_set_expire(self, cache_key: str, data: Any, expire_at: datetime) -> None:
        """``set`` with an expiry."""
        _milliseconds(expire_at)  # None would be for ever
        self.set(cache_key, data, expire_at=expire_at)

    def set_key_expire_at(self, key: str, expire_at: datetime) -> bool:
        """Have ``key`` expire at that moment, or now if it has passed; False if there is no such key."""
        name, moment = self._key(key), _milliseconds(expire_at)
        with self._reaching() as client:
            return bool(client.pexpireat(name, moment))

    def exists(self, key: str) -> bool:
        """Whether there is a value under ``key``."""
        name = self._key(key)
        with self._reaching() as client:
            return bool(client.exists(name))

    def delete(self, key: str) -> bool:
        """Delete ``key``; False if there is no such key."""
        name = self._key(key)
        with self._reaching() as client:
            return bool(client.unlink(name))

    def get_keys_by_pattern(self, keys_pattern: str) -> list[str]:
        """The keys that match a pattern of Redis (``*``, ``?``, ``[a-z]``), sorted.

        Redis walks through all keys that it has, those of others included: this is not for every request. A key that
        comes or goes meanwhile may be in the list or not.
        """
        start = len(self._root.encode())
        with self._reaching() as client:
            found = {name[start:] for names in self._batches(client, keys_pattern) for name in names}
        return sorted(name.decode("utf-8", "surrogateescape") for name in found)

    def delete_keys_by_pattern(self, keys_pattern: str) -> int:
        """Delete the keys that match, as ``get_keys_by_pattern`` finds them, in batches; returns how many there were.

        A failure on the way leaves what was not reached yet.
        """
        deleted = 0
        with self._reaching() as client:
            for names in self._batches(client, keys_pattern):
                with client.pipeline(transaction=False) as pipeline:
                    for name in names:  # each on its own: in a Cluster they lie in different slots
                        pipeline.unlink(name)
                    deleted += sum(pipeline.execute())
        return deleted

    def flushall(self) -> int:
        """Delete all keys of this cache, and nothing else that is in Redis; returns how many there were."""
        return self.delete_keys_by_pattern("*")

    aset = _awaited(set)  # noqa: A003 - the method
    aget = _awaited(get)
    astore_and_set_expire = _awaited(store_and_set_expire)
    aset_key_expire_at = _awaited(set_key_expire_at)
    aexists = _awaited(exists)
    adelete = _awaited(delete)
    aget_keys_by_pattern = _awaited(get_keys_by_pattern)
    adelete_keys_by_pattern = _awaited(delete_keys_by_pattern)
    aflushall = _awaited(flushall)

    @contextmanager
    def _reaching(self) -> Iterator[redis.Redis]:
        """The client; what it raises when Redis cannot be reached becomes an error of this package."""
        settings = settings_for(self._url)
        try:
            yield cache_client(settings, self._timeout)
        except UNAVAILABLE as error:
            url = safe_url(settings.url)
            raise RedisUnavailableError(f"Redis at {url} cannot be reached: {explain(error)}") from error

    def _batches(self, client: redis.Redis, keys_pattern: str) -> Iterator[list[bytes]]:
        """The full names of the keys that match; one may come twice."""
        pattern = escape_pattern(self._root).encode() + _encoded("pattern", keys_pattern)
        cursor: int | None = None
        while cursor != 0:
            # Only strings: what another program keeps there in another form is no value of a cache.
            reply: Any = client.scan(cursor or 0, pattern, AT_A_TIME, "STRING")
            cursor, names = reply
            if names:
                yield names

    @property
    def _root(self) -> str:
        return cache_root(self._prefix, settings_for(self._url).key_prefix)

    def _key(self, key: str) -> bytes:
        return self._root.encode() + _encoded("key", key)


def _encoded(kind: str, text: str) -> bytes:
    if not isinstance(text, str) or not text:
        raise CacheInputError(f"A cache {kind} is a non-empty string, got {text!r}.")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise CacheInputError(f"The cache {kind} {text!r} cannot be encoded: {error.reason}.") from error


def _json(key: str, value: Any) -> bytes:
    try:
        return _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CacheInputError(
            f"The value for cache key {key!r} cannot be kept as JSON: {error}. Use strings, finite numbers, True,"
            " False, None, lists, and dictionaries with strings as keys; dates, Decimal and UUID are kept as strings."
        ) from error


def _value(key: str, raw: bytes) -> Any:
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise CacheDecodeError(f"What is under cache key {key!r} is not JSON: {error}.") from error


def _milliseconds(moment: datetime) -> int:
    """``moment`` as Redis counts; of the past it is any moment that Redis takes, which 1970 and before are not."""
    if not isinstance(moment, datetime):
        raise CacheInputError(f"expire_at is a datetime with a time zone, got {type(moment).__name__}.")
    if moment.utcoffset() is None:
        raise CacheInputError(
            f"expire_at has no time zone: {moment!r} is another moment in every place. Write"
            " django.utils.timezone.now() + timedelta(hours=1), or datetime.now(UTC) + timedelta(hours=1)."
        )
    return max((moment - _EPOCH) // _MILLISECOND, 1)
