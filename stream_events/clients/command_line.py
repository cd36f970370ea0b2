"""``python -m stream_events``: prints the entries of a stream as one consumer of a group."""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import sys
import threading
from collections.abc import Sequence

from stream_events.clients.address import HOST, PORT, given_url, server_url
from stream_events.clients.entries import ReadEntry, texts
from stream_events.clients.reader import RedisStreamReader
from stream_events.consuming.stopping import interrupt, stop_on_signals
from stream_events.events import PAYLOAD, decode_payload
from stream_events.exceptions import (
    ConfigurationError,
    EmbeddedServerError,
    EventDecodeError,
    RedisUnavailableError,
    StreamEventsError,
)
from stream_events.pipes import discard

ERROR = 1
ABORTED = 130
URL = "REDIS_URL"  # the environment variable

DESCRIPTION = f"""
Prints the entries of STREAM as the consumer CONSUMER of the group GROUP, each on one line, until it is stopped: first
those that this consumer was given and has not acknowledged, then those that wait, and new ones. An entry is
acknowledged when its line was written. The server is that of --url, or of --server and --port, or else of the
environment variable {URL}, where a password is safer than on a command line, or else {HOST}:{PORT}.
"""
EXIT_CODES = (
    "Exit codes: 0 ended as asked, 1 error, 2 usage, 69 Redis cannot be reached or refuses, 78 configuration,"
    " 130 stopped at once."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with ``arguments``, those of the process unless given; returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the terminal cannot show
    try:
        reader = RedisStreamReader(options.stream, options.group, options.consumer, url=_url(options))
    except ConfigurationError as error:
        parser.error(str(error))
    with stop_on_signals(lambda: threading.Thread(target=reader.stop, daemon=True).start(), at_once=interrupt):
        return _run(reader, options)


def _run(reader: RedisStreamReader, options: argparse.Namespace) -> int:
    try:
        with reader:
            reader.connect()
            _print_entries(reader, options)
    except BrokenPipeError:
        discard(sys.stdout)
    except KeyboardInterrupt:
        return ABORTED
    except RedisUnavailableError as error:
        return _fail(error, os.EX_UNAVAILABLE)
    except (ConfigurationError, EmbeddedServerError) as error:
        return _fail(error, os.EX_CONFIG)
    except (StreamEventsError, OSError) as error:
        return _fail(error, ERROR)
    return 0


def _print_entries(reader: RedisStreamReader, options: argparse.Namespace) -> None:
    show = FORMATS[options.format]
    with contextlib.closing(reader.read()) as entries:
        for entry in itertools.islice(entries, options.count):
            try:
                sys.stdout.write(f"{show(entry)}\n")
                sys.stdout.flush()
            except OSError:
                reader.nack(entry["id"])
                raise
            if options.ack:
                reader.ack(entry["id"])


def _json(entry: ReadEntry) -> str:
    """One object, in ASCII; a payload that is a JSON object is part of it, any other is text."""
    fields: dict[str, object] = {**texts(entry.entry)}
    with contextlib.suppress(EventDecodeError, ValueError):  # the second one for numbers that JSON does not know
        payload = decode_payload(entry.entry.fields.get(PAYLOAD, b""), entry["id"])
        return json.dumps({"id": entry["id"], "fields": {**fields, "payload": payload}}, allow_nan=False)
    return json.dumps({"id": entry["id"], "fields": fields})


def _plain(entry: ReadEntry) -> str:
    return " ".join([entry["id"], *(f"{_word(name)}={_word(value)}" for name, value in texts(entry.entry).items())])


def _word(text: str) -> str:
    """``text`` on one line, quoted where it would not be one word."""
    is_plain = text.isprintable() and not {" ", "=", "'", '"', "\\"} & set(text)
    return text if text and is_plain else repr(text)


FORMATS = {"json": _json, "plain": _plain}


def _url(options: argparse.Namespace) -> str:
    url = given_url(options)
    return (os.environ.get(URL) if url is None else url) or server_url()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stream_events", description=DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument("stream", metavar="STREAM")
    parser.add_argument("group", metavar="GROUP", help="created at the first entry if it is missing")
    parser.add_argument("consumer", metavar="CONSUMER")
    parser.add_argument("--server", metavar="HOST", help=f"the host of Redis ({HOST})")
    parser.add_argument("--port", type=int, metavar="N", help=f"and its port ({PORT})")
    parser.add_argument("--url", help="redis://, rediss://, unix:// or embedded://, in place of both")
    parser.add_argument(
        "--ack",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with --no-ack, the entries stay this consumer's, and come again when it is started again",
    )
    parser.add_argument(
        "--format", choices=list(FORMATS), default="json", help="json: one object a line (default); plain: for people"
    )
    parser.add_argument("--count", type=_positive, metavar="N", help="end after N entries")
    return parser


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def _fail(error: Exception, code: int) -> int:
    sys.stderr.write(f"Error: {error}\n")
    return code
