"""``RedisService``: has the events of a stream handled by one function, for programs of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from stream_events.clients.runnable import Runnable, Runner
from stream_events.conf import is_configured, settings_for
from stream_events.connections import safe_url
from stream_events.consuming import Consumer
from stream_events.consuming.options import ConsumerOptions
from stream_events.consuming.running import Running
from stream_events.consuming.tail import Tail, TailOptions
from stream_events.exceptions import ConfigurationError
from stream_events.keys import check_group, check_stream
from stream_events.registration import HandlerFunction, HandlerOptions, dotted_path, make_handler

STREAM = "mystream"

_GIVEN = {"handlers", "settings"}  # by the service itself


class RedisService(Runnable):
    """Calls ``handler(event)``, plain or async, for the events of ``stream``.

    ``handler`` may also be written as ``"package.module:function"``. With a ``group``, each event is handled in it by
    one consumer, with leases, retries and dead letters, as ``runconsumer`` does; options are the fields of
    ``ConsumerOptions``. Without one, this is a regular consumer: it gets every event and acknowledges nothing; options
    are the fields of ``TailOptions``. To these come the options of ``handlers.register``. The server is the project's
    unless ``url`` is given; Django's settings are not needed. While Redis is away, the service waits for it.

    It runs once, by ``run()``, by ``start_in_thread()``, or as a context manager. Raises ``ConfigurationError`` for
    arguments that cannot be used, and ``TypeError`` for an option that there is not.
    """

    def __init__(
        self,
        handler: HandlerFunction | str,
        stream: str = STREAM,
        group: str | None = None,
        url: str | None = None,
        **options: Any,
    ) -> None:
        check_stream(stream)
        if group is not None:
            check_group(group)
        self.stream = stream
        self.group = group
        settings = settings_for(url)
        self.url = safe_url(settings.url)
        of_handler, of_consumer = _split(options, TailOptions if group is None else ConsumerOptions)
        func = _load(handler) if isinstance(handler, str) else handler
        try:
            self.handler = make_handler(func, stream, group, of_handler)
        except ConfigurationError as error:
            raise ConfigurationError(f"handler {dotted_path(func)}: {error}", error.hint) from error
        if self.handler.atomic and not is_configured():
            raise ConfigurationError("once and atomic need Django's databases: set DJANGO_SETTINGS_MODULE.")
        running = Running(lambda: self._runner.run())
        runner: Runner
        if group is None:
            runner = Tail(stream, [self.handler], settings=settings, **of_consumer)
        else:
            of_consumer = {"abandon": running.abandon, **of_consumer}
            runner = Consumer(stream, group, handlers=(self.handler,), settings=settings, **of_consumer)
        super().__init__(runner, running)


def _split(options: Mapping[str, Any], kind: type[Any]) -> tuple[HandlerOptions, dict[str, Any]]:
    """Those of ``options`` that are the handler's, and those that are the consumer's; raises ``TypeError``."""
    of_handlers = set(HandlerOptions.__annotations__)
    of_consumers = {field.name for field in fields(kind)} - _GIVEN
    for name in options:
        if name not in of_handlers | of_consumers:
            close = get_close_matches(name, of_handlers | of_consumers, n=1)
            guess = f" Did you mean {close[0]!r}?" if close else ""
            where = "without a group" if kind is TailOptions else "with a group"
            known = ", ".join(sorted(of_handlers | of_consumers))
            raise TypeError(f"RedisService {where} has no option {name!r}.{guess} There are {known}.")
    chosen = {name: value for name, value in options.items() if name in of_handlers}
    return cast(HandlerOptions, chosen), {name: options[name] for name in options if name in of_consumers}


def _load(path: str) -> HandlerFunction:
    """The function at ``path``; raises ``ConfigurationError``."""
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigurationError(f"The handler {path!r} is not MODULE:FUNCTION, such as shop.events:handle.")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        text = f"The handler {path!r} does not import: {type(error).__name__}: {error}"
        raise ConfigurationError(text) from error
    return cast(HandlerFunction, found)
