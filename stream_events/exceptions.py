"""Every error that this package raises on its own account."""


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
    """An event holds a value that JSON cannot carry."""


class EventDecodeError(StreamEventsError, ValueError):
    """An entry does not hold an event: no ``payload`` field, or one that is not a JSON object."""


class RedisUnavailableError(StreamEventsError):
    """Redis did not answer, and the caller asked not to wait for it."""
