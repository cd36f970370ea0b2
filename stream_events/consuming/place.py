"""How far a consumer without a group has come in its stream."""

from __future__ import annotations

import logging
import time

import redis

from stream_events.connections import explain
from stream_events.consuming.feed import Feed
from stream_events.consuming.position import Position, checked_id
from stream_events.consuming.replies import follows
from stream_events.exceptions import ConfigurationError

logger = logging.getLogger("stream_events")

NOTHING = "0-0"  # comes before every entry
LATEST = "$"
EARLIEST = "earliest"
_STARTS = {EARLIEST: NOTHING, "latest": LATEST, LATEST: LATEST}
SAVING = 1.0  # seconds; as often is the position saved in a batch that takes long


class Place:
    """The id ``after`` which ``feed`` is read on; ``position`` remembers it."""

    def __init__(self, feed: Feed, position: Position) -> None:
        self.after = NOTHING
        self._reached = NOTHING  # an entry that the stream has had: one without it is another stream
        self._feed = feed
        self._position = position
        self._saved = ""
        self._saved_at = 0.0

    def find(self, start: str) -> bool:
        """Go to the remembered position, or where there is none to ``start`` (an id or ``LATEST``): then True.

        Raises ``ConfigurationError`` for a position that cannot be read or saved, and ``redis.RedisError``.
        """
        known = self._position.load(self._feed)
        last = self._feed.last_id()
        newest = last or NOTHING
        self.after = self._reached = known or (newest if start == LATEST else start)
        if known:
            self._begin_anew_if_lost(last)
        elif follows(self.after, newest):
            self._reached = newest
            return True  # saved, this start would look like an entry that the stream has had
        try:
            self._position.save(self._feed, self.after)
        except OSError as error:
            raise ConfigurationError(f"The position cannot be saved: {error}.") from error
        self._saved = self.after
        return known is None

    def move(self, entry_id: str) -> None:
        """The entry was dealt with."""
        self.after = self._reached = entry_id
        if time.monotonic() - self._saved_at > SAVING:
            self.save()

    def save(self) -> None:
        """Remember the place, unless it is; a failure is logged, and the next call tries again."""
        if self.after == self._saved:
            return
        try:
            self._position.save(self._feed, self.after)
            self._saved = self.after
        except (redis.RedisError, OSError) as error:
            logger.warning(
                "position_not_saved stream=%s entry_id=%s error=%r", self._feed.stream, self.after, explain(error)
            )
        self._saved_at = time.monotonic()

    def check(self) -> None:
        """Go before the first entry if the stream is not the one in which this place was reached.

        After FLUSHALL, or a failover, its ids may be smaller; then nothing would ever follow.
        """
        self._begin_anew_if_lost(self._feed.last_id())

    def _begin_anew_if_lost(self, last: str | None) -> None:
        if last is None or not follows(self._reached, last):
            return
        logger.warning(
            "stream_recreated stream=%s position=%s last_id=%s: reading begins again with the first entry",
            self._feed.stream,
            self._reached,
            last,
        )
        self.after = self._reached = NOTHING


def start_id(start: str, option: str) -> str:
    """``start``, the value of ``option``, as an id or ``LATEST``: an id, ``earliest`` or ``latest`` may be written.

    Raises ``ConfigurationError``.
    """
    return _STARTS.get(start) or checked_id(start, option, "Or write earliest or latest.")
