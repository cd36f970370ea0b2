"""Values of command-line options; what they refuse is an error of usage."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta

HIGHEST_PORT = 65535

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ISO = re.compile(
    r"P(?=.)(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?=.)(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def whole(text: str) -> int:
    """A whole number of 0 or more."""
    return 0 if text == "0" else positive_int(text)


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    return _above_zero(text, "a number of seconds")


def rate(text: str) -> float:
    return _above_zero(text, "a number of events a second")


def pace(text: str) -> float:
    """As ``rate``; “/s” may follow the number."""
    return rate(text.removesuffix("/s"))


def span(text: str) -> timedelta:
    """A length of time: 90s, 5m, 2h, 1d, 1h30m, P1D, PT5M, or a number of seconds."""
    found = _length(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time, such as 90s, 5m, 2h, 1d or PT5M")
    return found


def moment(text: str) -> datetime:
    """A time: ISO 8601, in the local time zone where it names none; “now”; or how long ago it was, such as 2h."""
    if text == "now":
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        ago = None if _NUMBER.fullmatch(text) else _length(text)
    try:
        if ago is not None:
            return datetime.now(UTC) - ago
    except OverflowError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-08-22T09:10, or 2h for two hours ago")


def condition(text: str) -> tuple[str, str]:
    """A lookup and its value."""
    lookup, separator, value = text.partition("=")
    if not lookup or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not LOOKUP=VALUE, such as status=placed")
    return lookup, value


def _above_zero(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} above 0")
    return value


def port(text: str) -> int:
    """The number of a TCP port."""
    value = int(text) if text.isdecimal() else 0
    if not 0 < value <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to {HIGHEST_PORT}")
    return value


def _length(text: str) -> timedelta | None:
    """The length of time that ``text`` gives, None if it gives none."""
    try:
        if _NUMBER.fullmatch(text):
            return timedelta(seconds=float(text))
        if _SPAN.fullmatch(text):
            return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
        if iso := _ISO.fullmatch(text):
            return timedelta(seconds=sum(float(value or 0) * _UNITS[unit] for unit, value in iso.groupdict().items()))
    except OverflowError:
        pass
    return None
