"""The filters of orders, which are written as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta

from stream_events.exceptions import ConfigurationError
from stream_events.operations.dead_letters import LetterFilter
from stream_events.operations.pending import EntryState, PendingFilter

PENDING = tuple(field.name for field in fields(PendingFilter))
LETTERS = tuple(field.name for field in fields(LetterFilter))


def pending_filter(where: Mapping[str, str]) -> PendingFilter:
    """The filter in ``where``; raises ``ConfigurationError`` for values that cannot be."""
    try:
        return PendingFilter(
            consumer=where.get("consumer", ""),
            state=EntryState(where["state"]) if where.get("state") else None,
            min_idle=timedelta(seconds=float(where["min_idle"])) if where.get("min_idle") else None,
            min_deliveries=int(where["min_deliveries"]) if where.get("min_deliveries") else None,
            error=where.get("error", ""),
            since=where.get("since", ""),
            until=where.get("until", ""),
        )
    except (ValueError, OverflowError) as error:
        states = ", ".join(EntryState)
        raise ConfigurationError(
            f"The filter cannot be used: {error}. A state is one of {states}; min_idle is a number of seconds, and"
            " min_deliveries a number."
        ) from error


def letter_filter(where: Mapping[str, str]) -> LetterFilter:
    """The filter in ``where``, whose names were checked."""
    return LetterFilter(**where)
