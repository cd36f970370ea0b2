"""Streams and groups by the names that an operator gives."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from stream_events.exceptions import ConfigurationError, SelectionError
from stream_events.keys import check_group, check_stream
from stream_events.operations.dead_letters import dead_letters
from stream_events.operations.discovery import discover_streams, known_streams
from stream_events.operations.inspection import StreamState, stream_states


def find_streams(stream: str | None, *, discover: bool = False) -> list[StreamState]:
    """The stream of that name, or all that the project declares, with ``discover`` those that it does not as well.

    Raises ``SelectionError`` for an unknown one.
    """
    if stream:
        return [find_stream(stream)]
    return stream_states([*known_streams(), *(_undeclared() if discover else ())])


def find_stream(stream: str) -> StreamState:
    """The stream of that name: one that the project declares, or that is there.

    Raises ``SelectionError`` when it is neither.
    """
    try:
        check_stream(stream)
    except ConfigurationError as error:
        raise SelectionError(str(error)) from error
    state = stream_states([stream])[0]
    declared = known_streams()
    if state.exists or state.problem or stream in declared:
        return state
    raise SelectionError(f"There is no stream {stream!r}. {_known(stream, declared)}")


def check_readable(state: StreamState) -> None:
    """Raise ``SelectionError`` for a key that holds no stream, or that Redis does not show."""
    if state.problem:
        raise SelectionError(f"{state.name!r} cannot be looked at: {state.problem.rstrip('.')}.")


def check_group_of(state: StreamState, group: str) -> None:
    """Raise ``SelectionError`` unless ``group`` is there, is registered, or has left dead letters behind."""
    try:
        check_group(group)
    except ConfigurationError as error:
        raise SelectionError(str(error)) from error
    check_readable(state)
    known = {one.name for one in state.groups}
    if group not in known and not dead_letters(state.name, group, size=1):
        raise SelectionError(f"Stream {state.name!r} has no group {group!r}. {_known(group, known)}")


def _undeclared() -> list[str]:
    """All other streams in Redis, whose keys are walked in steps."""
    names: set[str] = set()
    after: str | None = ""
    while after is not None:
        page = discover_streams(after=after)
        names.update(page.rows)
        after = page.after
    return sorted(names)


def _known(wanted: str, names: Collection[str]) -> str:
    if not names:
        return "None is known."
    close = get_close_matches(wanted, sorted(names), n=1, cutoff=0.5)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Known: {', '.join(sorted(names))}."
