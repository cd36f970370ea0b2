"""Values of command-line options; what they refuse is an error of usage."""

from __future__ import annotations

import argparse

HIGHEST_PORT = 65535


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    return _above_zero(text, "a number of seconds")


def rate(text: str) -> float:
    return _above_zero(text, "a number of events a second")


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
