"""What Redis holds at the moment of one request, asked once for everything on a page that wants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.http import HttpRequest

from stream_events.admin.place import Place
from stream_events.operations.inspection import GroupState, StreamState, known_streams, stream_states
from stream_events.operations.pages import Page

T = TypeVar("T")


def known_states(request: HttpRequest) -> list[StreamState]:
    """The streams of the project, looked up once a request."""
    holder: Any = request
    if not hasattr(holder, "_stream_events_states"):
        holder._stream_events_states = stream_states(known_streams())
    found: list[StreamState] = holder._stream_events_states
    return found


def known_groups(request: HttpRequest) -> list[GroupState]:
    """All groups of these streams, those included that are not there yet."""
    return [group for stream in known_states(request) for group in stream.groups]


def part(rows: Sequence[T], place: Place) -> Page[T]:
    """The rows at ``place`` of a list that is here already; its places are numbers of rows."""
    start = int(place.at) if place.at.isdecimal() else 0
    end = start + place.size
    return Page(rows=tuple(rows[start:end]), total=len(rows), after=str(end) if end < len(rows) else None)
