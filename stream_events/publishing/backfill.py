"""Events for rows that exist already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Model, QuerySet

from stream_events.connections import relaying_line
from stream_events.exceptions import EventEncodeError
from stream_events.publishing.appending import append_in_order
from stream_events.publishing.bookmark import Bookmark
from stream_events.publishing.counts import outcomes
from stream_events.publishing.entries import NewEntry
from stream_events.publishing.selection import Selection
from stream_events.publishing.throttle import Throttle


class _Row(NamedTuple):
    key: str
    entry: NewEntry | None  # None: the publisher does not want it


class Backfill:
    """Publishes ``action`` for each row of ``selection``, by primary key, and knows how far it has come.

    Begins after the key ``after`` and after what ``bookmark`` has recorded. Raises ``SelectionError`` for a key or
    a bookmark that cannot be.
    """

    def __init__(
        self, selection: Selection, action: str, *, after: str | None = None, bookmark: Bookmark | None = None
    ) -> None:
        self.published = 0
        self.skipped = 0  # rows that the publisher does not want
        self.finished = False
        self.last = after  # the key of the last row that is done with
        self.unfit: str | None = None  # the key of the row that no event can be made of
        self._stopping = False
        self._selection = selection
        self._action = action
        self._bookmark = bookmark
        self._begin = [] if after is None else [selection.key(after)]
        if bookmark is not None and (recorded := bookmark.read()) is not None:
            self.last = recorded
            self._begin.append(selection.key(recorded))

    def stop(self) -> None:
        """End after the chunk that is in hand. Touches no lock: a signal handler may call it."""
        self._stopping = True

    def count(self) -> int:
        """How many rows there are to do."""
        # A filter that follows a relation finds a row as often as it has related ones.
        return (self._rows.values("pk").distinct() if self._selection.filters else self._rows).count()

    def first_payload(self, chunk: int) -> dict[str, Any] | None:
        """What the first event would say; None when none of the first ``chunk`` rows has one."""
        made = map(self._entry, self._rows[:chunk])
        entry = next(filter(None, made), None)
        return None if entry is None else dict(json.loads(entry.payload))

    def run(self, chunk: int, rate: float | None = None) -> Iterator[int]:
        """Publish up to ``chunk`` rows at a time, ``rate`` events a second at most; yields how many rows were done.

        Raises what the database or Redis raised, Redis's answer when it refused an entry, and ``EventEncodeError``
        for a row that no entry can be made of. What was published before that is recorded.
        """
        self._record()  # a file that cannot be written is found now
        throttle = Throttle(rate)
        size, rows = throttle.chunk(chunk), self._rows
        while not self.finished:
            throttle.wait(lambda: self._stopping)
            if self._stopping:
                return
            # Read as late as possible, so that few writes come between a row and its event.
            instances = list(rows[:size])
            before = self.published
            done = self._publish(instances)
            throttle.passed(self.published - before)
            self.finished = len(instances) < size
            if self.last is not None:
                rows = self._rows.filter(pk__gt=self._selection.key(self.last))
            yield done
        if self._bookmark is not None:
            self._bookmark.remove()

    @cached_property
    def _rows(self) -> QuerySet[Any, Any]:
        """All that there is to do. Rows that are added from now on have events of their own."""
        everything: QuerySet[Any, Any] = QuerySet(self._selection.model).using(self._selection.using)
        newest = everything.order_by("-pk").values_list("pk", flat=True).first()
        rows = self._selection.rows().order_by("pk")
        for key in self._begin:
            rows = rows.filter(pk__gt=key)
        return rows.none() if newest is None else rows.filter(pk__lte=newest)

    def _publish(self, instances: Sequence[Model]) -> int:
        made: list[_Row] = []
        unfit: EventEncodeError | None = None  # raised when the rows before it are published
        for key, instance in {self._key(instance): instance for instance in instances}.items():
            try:
                made.append(_Row(key, self._entry(instance)))
            except EventEncodeError as error:
                self.unfit, unfit = key, error
                break
        self._send(made)
        if unfit is not None:
            raise unfit
        return len(made)

    def _send(self, made: Sequence[_Row]) -> None:
        entries = [row.entry for row in made if row.entry is not None]
        refused = append_in_order(entries, relaying_line())
        outcomes.add("published", len(entries) - len(refused))
        first_refused = refused[0][0] if refused else None
        for row in made:
            if row.entry is not None and row.entry is first_refused:
                break
            self.last = row.key
            self.published += row.entry is not None
            self.skipped += row.entry is None
        self._record()
        if refused:
            raise refused[0][1]

    def _record(self) -> None:
        if self._bookmark is not None:
            self._bookmark.record(self.last)

    def _key(self, instance: Model) -> str:
        return str(self._selection.model._meta.pk.value_to_string(instance))

    def _entry(self, instance: Model) -> NewEntry | None:
        """What a save would publish of ``instance``, but as the action; None when the publisher does not want it."""
        made = self._selection.attachment.make_entries([instance], self._action, self._selection.using)
        return next(iter(made), None)
