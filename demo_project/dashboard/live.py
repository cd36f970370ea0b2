"""The live page's connection: server-sent events."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.db import connections

from demo_project.dashboard.board import Board, Line, Snapshot

HEARTBEAT = 15.0  # seconds; a browser that has gone is noticed when something is written to it
LIFETIME = 600.0  # seconds; then the browser comes again, and whether it still may is asked again
RETRY = 1000  # milliseconds


def messages(board: Board) -> Iterator[str]:
    """What a browser is sent: first the whole board, then each event, and the whole again if it was too slow."""
    connections.close_all()  # a page may be open for hours: it must not hold a connection to the database
    until = time.monotonic() + LIFETIME
    yield f"retry: {RETRY}\n\n"
    total = None
    while board.is_fed() and time.monotonic() < until:
        if total is None:
            shown = board.snapshot()
            total = shown.total
            yield _message("snapshot", _of_snapshot(shown), shown.lines[0].entry_id if shown.lines else "")
        lines = board.news(total, HEARTBEAT)
        if lines is None:
            total = None
            continue
        total += len(lines)
        yield "".join(_message("line", _of_line(line), line.entry_id) for line in lines) or _message("alive", None)


def _message(name: str, data: Any, entry_id: str | None = None) -> str:
    marked = "" if entry_id is None else f"id: {entry_id}\n"
    return f"event: {name}\n{marked}data: {json.dumps(data)}\n\n"


def _of_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return {"counts": list(snapshot.counts.items()), "lines": list(map(_of_line, snapshot.lines))}


def _of_line(line: Line) -> dict[str, Any]:
    return {**asdict(line), "occurred_at": line.occurred_at.isoformat()}
