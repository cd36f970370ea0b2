"""Up to where everything is handled, remembered for the day that the group is lost."""

from __future__ import annotations

import redis

from stream_events.consuming.group import Group
from stream_events.consuming.options import FIRST
from stream_events.consuming.replies import follows
from stream_events.exceptions import ConfigurationError
from stream_events.keys import TOMBSTONE


class Mark:
    """The low-water mark of ``group``, in a key of its own beside the stream."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._saved_at = 0  # acknowledged entries

    def save(self) -> None:
        self._group.run("mark")

    def follow(self, acknowledged: int, step: int = 1) -> None:
        """Save it if ``step`` more entries were acknowledged since the last time."""
        if acknowledged - self._saved_at >= step:
            self.save()
            self._saved_at = acknowledged

    def recreate(self, start: str | None = None) -> str | None:
        """Make a group that is not there, and return where it begins; None when it is there.

        A group that was lost goes on at its mark if the stream still reaches it, with the waiting entries waiting as
        before, else it begins with the first entry. One that never was begins at ``start``. Raises
        ``ConfigurationError`` when an operator has deleted the group; ``start`` makes it again all the same.
        """
        value = self._group.client.get(self._group.keys.cursor)
        mark = value.decode() if isinstance(value, bytes) else None
        if mark == TOMBSTONE and start is None:
            raise ConfigurationError(
                f"An operator has deleted the group {self._group.name!r} of {self._group.keys.stream!r}. To make it"
                " again, start one consumer with --create-from."
            )
        if mark == TOMBSTONE:
            self._group.client.delete(self._group.keys.cursor)
            mark = None
        where = self._reachable(mark) if mark else start
        created = self._group.ensure(where or FIRST, keep_waiting=bool(mark and where))
        return (where or FIRST) if created else None

    def _reachable(self, mark: str) -> str | None:
        try:
            last = self._group.last_id()
        except redis.ResponseError:
            return None  # the stream is gone as well
        return None if follows(mark, last) else mark
