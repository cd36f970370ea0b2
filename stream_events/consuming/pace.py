"""How much to hold: about two seconds of work, so that others get their share and a crash repeats little."""

from __future__ import annotations

HORIZON = 2.0  # seconds of work
FIRST = 10  # entries for each lane while nothing is known
MOST_BYTES = 64 * 1024 * 1024  # held in memory
MEMORY = 0.7  # how much of the average the past makes up


class Pace:
    """Learns how long entries take and how large they are; ``most`` entries a lane are the limit in any case."""

    def __init__(self, most: int, lanes: int) -> None:
        self.most = most  # in one read
        self._lanes = lanes
        self._seconds: float | None = None  # per entry
        self._bytes = 0.0

    def note_work(self, entries: int, seconds: float) -> None:
        """So many entries took one lane so many seconds."""
        each = seconds / entries
        self._seconds = each if self._seconds is None else MEMORY * self._seconds + (1 - MEMORY) * each

    def note_size(self, entries: int, size: int) -> None:
        """So many entries were read, of so many bytes together."""
        self._bytes = max(size / entries, MEMORY * self._bytes)

    def limit(self) -> int:
        """How many entries to hold at the most."""
        if self._seconds is None:
            entries = FIRST * self._lanes
        else:
            entries = int(HORIZON * self._lanes / max(self._seconds, 1e-9))
        if self._bytes:
            entries = min(entries, int(MOST_BYTES / self._bytes))
        return max(1, min(entries, self.most * self._lanes))
