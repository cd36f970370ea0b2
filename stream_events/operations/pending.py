"""Pending entries of a group: what state each is in, and why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from stream_events.conf import get_settings
from stream_events.events import entry_time
from stream_events.operations.contents import failure
from stream_events.operations.held import EntryState, Holding, PendingEntry, PendingFilter
from stream_events.operations.holding import MOST_ERRORS, Details, Facts, PendingList, Row
from stream_events.operations.members import WAITING
from stream_events.operations.names import raw, readable
from stream_events.operations.pages import DEFAULT_BUDGET, STEP, Budget, Page, fill
from stream_events.operations.places import LAST, entry_id_at, place, span

__all__ = ["EVERY", "EntryState", "PendingEntry", "PendingFilter", "holdings", "pending_entries", "pending_entry"]

SHORT = 20_000  # entries of a list in which the server itself may look for idle ones
GRACE = timedelta(seconds=30)  # what a retry may be late

EVERY = PendingFilter()


def pending_entries(
    stream: str,
    group: str,
    where: PendingFilter = EVERY,
    *,
    after: str = "",
    size: int = 50,
    budget: Budget = DEFAULT_BUDGET,
    requeued: bool = False,
) -> Page[PendingEntry]:
    """Up to ``size`` pending entries that follow the entry id ``after``, oldest first.

    With ``requeued``, of the dead letters that were requeued to this group. A group that is not there has an empty
    page. No command takes longer than a page of a thousand rows does.
    """
    pending = PendingList(stream, group, requeued=requeued)
    facts = pending.facts()
    if facts is None:
        return Page()
    sight = _Sight(facts, where)
    found = sight.look(pending, after, size + 1)
    return fill(found, lambda entry: entry, size, budget, facts.total)


def pending_entry(stream: str, group: str, entry_id: str, *, requeued: bool = False) -> PendingEntry | None:
    """One pending entry; None if it is not pending."""
    where = PendingFilter(since=entry_id, until=entry_id)
    return next(iter(pending_entries(stream, group, where, size=1, requeued=requeued).rows), None)


def holdings(
    stream: str, group: str, where: PendingFilter, *, after: str, size: int, budget: Budget, requeued: bool
) -> Page[Holding]:
    """As ``pending_entries``; what the filter does not ask for is not fetched."""
    pending = PendingList(stream, group, requeued=requeued)
    facts = pending.facts()
    if facts is None:
        return Page()
    return fill(_Sight(facts, where).glance(pending, after, size + 1), lambda one: one, size, budget, facts.total)


class _Sight:
    """Which rows of a pending list ``where`` lets through, and what they are, as ``facts`` say."""

    def __init__(self, facts: Facts, where: PendingFilter) -> None:
        settings = get_settings()
        self._facts, self._where = facts, where
        self._consumer = raw(where.consumer)
        self._claim_idle = settings.claim_idle * 1000  # milliseconds, as all that is compared here
        self._handler_timeout = settings.handler_timeout * 1000
        self._states: dict[bytes, Sequence[EntryState]] = {b"": (EntryState.RELEASED,)}  # by owner
        for owner in (*facts.held, WAITING):
            self._states[owner] = self._states_of(owner)
        # What was given up with XNACK has been idle for -1 milliseconds.
        self._least_idle = -1 if where.min_idle is None else where.min_idle / timedelta(milliseconds=1)
        known = facts.first_id and facts.deleted_id
        self._kept_after = max(place(facts.first_id), place(facts.deleted_id)) if known else LAST
        self._first = place(facts.first_id) if facts.first_id else LAST

    def look(self, pending: PendingList, after: str, size: int) -> Iterator[tuple[str, PendingEntry | None]]:
        """The ids of all rows after ``after``, each with its entry if it is let through."""
        rows = self._rows(pending, after, size)
        step = size
        while chunk := list(islice(rows, step)):
            passing = [row if row and self._may_pass(row) else None for _, row in chunk]
            entries = self._entries(pending, filter(None, passing), size)
            for (entry_id, _), row in zip(chunk, passing, strict=True):
                yield entry_id.decode(), next(entries) if row else None
            step = STEP

    def glance(self, pending: PendingList, after: str, size: int) -> Iterator[tuple[str, Holding | None]]:
        """As ``look``, without what only people want to know."""
        if self._where.state or self._where.error:
            for entry_id, entry in self.look(pending, after, size):
                yield entry_id, Holding(entry_id, entry.owner, entry.delivery_count) if entry else None
            return
        for raw_id, row in self._rows(pending, after, size):
            found = row if row and self._may_pass(row) else None
            entry_id = raw_id.decode()
            yield entry_id, Holding(entry_id, readable(found["consumer"]), found["times_delivered"]) if found else None

    def _rows(self, pending: PendingList, after: str, size: int) -> Iterator[tuple[bytes, Row | None]]:
        where, facts = self._where, self._facts
        first, last = span(where.since, where.until, after=after)
        if where.state not in (None, EntryState.DELETED):
            first = max(first, self._first)  # what lies before that is deleted
        if first > last:
            return iter(())
        if where.error and facts.errors <= MOST_ERRORS:
            return pending.failed(where.error, first, last, size)
        owners = self._owners()
        length = facts.total if owners is None else sum(facts.held.get(one, 0) for one in owners)
        idle = round(self._least_idle) if where.min_idle and length <= SHORT else None
        rows = pending.rows(owners, entry_id_at(first), entry_id_at(last), size, idle)
        return ((row["message_id"], row) for row in rows)

    def _owners(self) -> list[bytes] | None:
        """Whose entries alone can pass; None if anybody's can."""
        if self._where.consumer:
            return [self._consumer]
        state, held = self._where.state, self._facts.held
        if state is EntryState.RELEASED:
            return None if self._facts.total > sum(held.values()) else []
        if state in (None, EntryState.DELETED):
            return None
        return [one for one in held if state in self._states[one]]

    def _states_of(self, owner: bytes) -> Sequence[EntryState]:
        """The states that entries of ``owner`` can be in while they are in the stream."""
        if owner == WAITING:
            return (EntryState.WAITING, EntryState.OVERDUE)
        lease = self._facts.leases.get(owner)
        if lease is None:
            return (EntryState.PROCESSING, EntryState.OVERDUE, EntryState.ABANDONED)
        return (EntryState.PROCESSING, EntryState.OVERDUE) if lease > timedelta(0) else (EntryState.ABANDONED,)

    def _may_pass(self, row: Row) -> bool:
        """Whether the row passes for all that it says itself."""
        where, state = self._where, self._where.state
        if where.consumer and row["consumer"] != self._consumer:
            return False
        if row["time_since_delivered"] < self._least_idle or row["times_delivered"] < (where.min_deliveries or 0):
            return False
        if state is EntryState.DELETED:
            return place(row["message_id"].decode()) <= self._kept_after
        if state is None or row["consumer"] == WAITING:
            return state is None or state in self._states[WAITING]
        return state is self._held_state(row)

    def _held_state(self, row: Row) -> EntryState:
        """The state of an entry that is in the stream and does not wait."""
        idle, owner = row["time_since_delivered"], row["consumer"]
        possible = self._states.get(owner) or self._states_of(owner)  # it may have read since
        if len(possible) == 1:
            return possible[0]
        if EntryState.ABANDONED in possible and idle >= self._claim_idle:
            return EntryState.ABANDONED
        return EntryState.OVERDUE if idle > self._handler_timeout else EntryState.PROCESSING

    def _entries(self, pending: PendingList, rows: Iterable[Row], size: int) -> Iterator[PendingEntry | None]:
        """The entries of ``rows``, None for those that do not pass after all; looked at only as far as asked for."""
        rest = iter(rows)
        while part := list(islice(rest, min(size, STEP))):
            for row, details in zip(part, pending.details(part), strict=True):
                entry = self._entry(row, details)
                yield entry if self._passes(entry) else None

    def _passes(self, entry: PendingEntry) -> bool:
        where = self._where
        if where.state and entry.state is not where.state:
            return False
        return where.error.casefold() in entry.error.casefold()

    def _entry(self, row: Row, details: Details) -> PendingEntry:
        entry_id, owner = row["message_id"].decode(), row["consumer"]
        known = failure(details.error)
        is_waiting = owner == WAITING
        due = datetime.fromtimestamp(details.due / 1000, tz=UTC) if is_waiting and details.due else None
        return PendingEntry(
            entry_id=entry_id,
            added_at=entry_time(entry_id),
            state=self._state(row, details, due),
            owner=readable(owner),
            consumer="" if is_waiting else readable(owner),
            due_at=due,
            idle=timedelta(milliseconds=max(0, row["time_since_delivered"])),
            delivery_count=row["times_delivered"],
            fields=details.fields,
            error=known.get("error", ""),
            traceback=known.get("traceback", ""),
            handlers=tuple(known.get("handlers", ())),
        )

    def _state(self, row: Row, details: Details, due: datetime | None) -> EntryState:
        if details.fields is None:
            return EntryState.DELETED
        if row["consumer"] != WAITING:
            return self._held_state(row)
        now = datetime.fromtimestamp(self._facts.now / 1000, tz=UTC)
        return EntryState.OVERDUE if due and now - due > GRACE else EntryState.WAITING
