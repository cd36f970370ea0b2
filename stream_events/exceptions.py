"""Every error and warning that this package raises on its own account, and the two errors that handlers raise."""

from __future__ import annotations

LONGEST_WAIT = 366 * 86400.0  # seconds


class StreamEventsError(Exception):
    """The root of the errors below."""


class ConfigurationError(StreamEventsError):
    """A setting, a name or a registration is wrong; ``hint`` says what to write instead, where that is known."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class EmbeddedServerError(StreamEventsError):
    """The embedded server cannot run: not on this machine, or not in this folder."""


class EmbeddedServerDownError(EmbeddedServerError):
    """The embedded server did not start, or does not stop; the next attempt may find it well."""


class EventEncodeError(StreamEventsError, ValueError):
    """No entry can be made of an event: JSON cannot carry a value, a field refuses it, or it is too large."""


class EventDecodeError(StreamEventsError, ValueError):
    """An entry does not hold an event: no ``payload`` field, or one that is not a JSON object."""


class CacheInputError(StreamEventsError, ValueError):
    """A cache cannot take a key, a pattern, a value or a moment of expiry."""


class CacheDecodeError(StreamEventsError, ValueError):
    """What is under a key of a cache was not put there by one: it is not JSON."""


class RedisUnavailableError(StreamEventsError):
    """Redis did not answer, and the caller asked not to wait for it."""


class KeysUnknownError(StreamEventsError, ValueError):
    """A bulk write would change rows without saying which: their events could not be published."""


class SelectionError(StreamEventsError, ValueError):
    """What an operator asked for names something that is not there, or has a value that cannot be."""


class NotDurableError(StreamEventsError):
    """Too few replicas or append-only files have confirmed what is published, or can confirm anything."""


class UnpublishedWriteWarning(RuntimeWarning):
    """A model with a publisher was written in a way that sends no signal: nothing was published."""


class HandlerTimeoutError(StreamEventsError):
    """A handler ran for longer than it may; its consumer can only be ended."""


class Retry(Exception):
    """Raised by a handler: handle the event again, ``after`` so many seconds, or after the usual backoff.

    Counts as a delivery, so that an event which asks for ever becomes a dead letter after ``max_deliveries``.
    """

    def __init__(self, text: str = "", *, after: float | None = None) -> None:
        super().__init__(text or ("again later" if after is None else f"again after {after} s"))
        self._after = None if after is None else seconds(after)

    @property
    def after(self) -> float | None:
        return self._after


class Reject(Exception):
    """Raised by a handler: the event will never work; make it a dead letter now, for ``reason``."""

    def __init__(self, reason: str = "rejected") -> None:
        super().__init__(reason)
        self.reason = reason


def seconds(value: float) -> float:
    """``value`` as a time to wait; raises ``ValueError`` or ``TypeError`` when it is none."""
    found = float(value)
    if not 0 <= found <= LONGEST_WAIT:
        raise ValueError(f"{value!r} is no number of seconds from 0 to a year")
    return found
