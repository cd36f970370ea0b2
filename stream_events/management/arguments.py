"""Values of command line options."""

from __future__ import annotations

import argparse


def positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def seconds(text: str) -> float:
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
