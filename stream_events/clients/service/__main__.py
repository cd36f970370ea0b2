"""``python -m stream_events.clients.service``: a service as a process of its own."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import django

from stream_events.clients.address import HOST, PORT, given_url
from stream_events.clients.service import STREAM, RedisService
from stream_events.conf import is_configured
from stream_events.consuming.stopping import interrupt, stop_on_signals
from stream_events.events import Event
from stream_events.exceptions import ConfigurationError, EmbeddedServerError, Retry, StreamEventsError
from stream_events.health import add_health_file, beating
from stream_events.pipes import discard

STREAM_VARIABLE, URL_VARIABLE = "STREAM_EVENTS_STREAM", "REDIS_URL"
ABORTED = 128 + signal.SIGINT
IN_A_GROUP = ("consumer", "threads", "create_from", "max_deliveries", "shutdown_timeout")
WITHOUT_ONE = ("start",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a service until SIGTERM or SIGINT; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _check_usage(options)
        url = _url(options)
    except ConfigurationError as error:
        parser.error(str(error))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        _set_up_django()
        service = _make_service(options, url)
        with stop_on_signals(service.stop, at_once=interrupt), beating(options.health_file, service.is_alive):
            _say(service, options.handler)
            service.run()
    except (ConfigurationError, EmbeddedServerError) as error:
        hint = getattr(error, "hint", "")
        return _fail("\n  ".join(filter(None, (str(error), hint))), os.EX_CONFIG)
    except StreamEventsError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("Stopped at once; what was in hand comes again.", ABORTED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stream_events.clients.service",
        description="Calls a function for the events of a stream, until SIGTERM or CONTROL-C.",
        epilog="With DJANGO_SETTINGS_MODULE set, Django is set up and its settings hold. Exit codes: 0 ended as asked,"
        " 1 error, 2 usage, 78 configuration, 130 stopped at once.",
    )
    add = parser.add_argument
    stream = os.environ.get(STREAM_VARIABLE) or STREAM
    add("--stream", default=stream, help=f"(default: ${STREAM_VARIABLE}, or {STREAM})")
    add(
        "--group", help="the group for which events are handled; without one, this service gets every event for itself"
    )
    add("--url", help=f"of Redis (default: that of Django's settings, or ${URL_VARIABLE}, where a password is safer)")
    add("--server", metavar="HOST", help=f"instead of --url (default: {HOST})")
    add("--port", type=int, metavar="N", help=f"of --server (default: {PORT})")
    add("--handler", metavar="MODULE:FUNCTION", help="called with each event; without one, events are printed as JSON")
    add("--count", type=int, metavar="N", help="entries per read, at most")
    add("--block", type=float, metavar="S", help="seconds that one read waits")
    add("--max-events", type=int, metavar="N", help="end when N events were started")
    add_health_file(parser)
    grouped = parser.add_argument_group("with --group")
    grouped.add_argument("--consumer", metavar="PREFIX", help="beginning of its name in the group (default: the host)")
    grouped.add_argument("--threads", type=int, metavar="N", help="events handled side by side (default: 1)")
    grouped.add_argument(
        "--create-from", metavar="earliest|latest|ID", help="where a new group begins (default: earliest)"
    )
    grouped.add_argument("--max-deliveries", type=int, metavar="N", help="tries before an event is a dead letter")
    grouped.add_argument("--shutdown-timeout", type=float, metavar="S", help="seconds that running handlers are given")
    regular = parser.add_argument_group("without --group")
    regular.add_argument("--start", metavar="earliest|latest|ID", help="where reading begins (default: earliest)")
    return parser


def _check_usage(options: argparse.Namespace) -> None:
    """Raise ``ConfigurationError`` for options that do not belong together."""
    unfit, where = (WITHOUT_ONE, "without") if options.group else (IN_A_GROUP, "with")
    for name in unfit:
        if getattr(options, name) is not None:
            raise ConfigurationError(f"--{name.replace('_', '-')} is for a service {where} --group.")


def _make_service(options: argparse.Namespace, url: str | None) -> RedisService:
    names = ("count", "block", "max_events", *(IN_A_GROUP if options.group else WITHOUT_ONE))
    chosen: dict[str, Any] = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.group:
        chosen["abandon"] = _abandon
    printer = _Printer()
    handler: Callable[[Event], object] | str = options.handler or printer.print
    service = RedisService(handler, options.stream, options.group, url, **chosen)
    printer.stop = service.stop
    return service


def _url(options: argparse.Namespace) -> str | None:
    """Where Redis is; None leaves it to the settings. Raises ``ConfigurationError``."""
    return given_url(options) or (None if is_configured() else os.environ.get(URL_VARIABLE)) or None


class _Printer:
    """Prints events; when nobody reads them any more, it stops the service."""

    stop: Callable[[], object]

    def print(self, event: Event) -> None:
        shown = {
            "stream": event.stream,
            "entry_id": event.entry_id,
            "event_id": event.event_id,
            "occurred_at": event.occurred_at.isoformat(),
            "payload": event.payload,
        }
        try:
            sys.stdout.write(f"{json.dumps(shown)}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            discard(sys.stdout)
            self.stop()
            raise Retry("nobody reads what is printed", after=0) from None


def _set_up_django() -> None:
    if not is_configured():
        return
    try:
        django.setup()
    except Exception as error:
        text = f"Django cannot be set up with DJANGO_SETTINGS_MODULE={os.environ.get('DJANGO_SETTINGS_MODULE')}"
        raise ConfigurationError(f"{text}: {type(error).__name__}: {error}") from error


def _say(service: RedisService, handler: str | None) -> None:
    group = f"group {service.group}" if service.group else "no group"
    what = handler or "printed"
    print(f"{service.stream} ({group}) at {service.url}: {what}. Quit with CONTROL-C.", file=sys.stderr, flush=True)


def _fail(text: str, code: int) -> int:
    print(f"Error: {text}", file=sys.stderr, flush=True)
    return code


def _abandon(error: BaseException) -> NoReturn:
    """End the process although a handler runs: a thread cannot be ended in any other way."""
    _fail(str(error), 1)
    logging.shutdown()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
