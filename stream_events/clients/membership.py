"""One consumer's place in a group: what it takes, and what becomes of it."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable

import redis

from stream_events.clients.entries import NEW
from stream_events.clients.taking import FOREVER, Taking
from stream_events.clients.waiting import WaitingReads
from stream_events.conf import Settings
from stream_events.connections import UNAVAILABLE, command_client, explain, reading_client, safe_url
from stream_events.consuming.clients import Clients
from stream_events.consuming.group import Group, Settled, Verdict
from stream_events.consuming.halt import Halt
from stream_events.consuming.hand import Hand
from stream_events.consuming.outage import Outage
from stream_events.consuming.place import EARLIEST, NOTHING, start_id
from stream_events.events import Entry
from stream_events.exceptions import ConfigurationError, RedisUnavailableError
from stream_events.keys import check_group, check_stream, group_keys

logger = logging.getLogger("stream_events")

LOOKS = 2  # at an entry that is to wait; it may be started between a look and the deed
GONE_INTERVAL = 0.1  # seconds before a group that is gone is made again

_NAME = re.compile(r"[!-}][!-~]*")  # what Redis takes as the name of a connection; “~” begins names of our own


class Membership:
    """The consumer ``consumer`` of ``group``, which takes its own pending entries beyond ``after`` first.

    ``block`` is how many seconds one read waits, the setting unless given. A group that is missing is created at
    ``create_from``. The verbs are for any thread. Raises ``ConfigurationError`` for names and values that cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        stream: str,
        group: str,
        consumer: str,
        *,
        block: float | None = None,
        create_from: str = EARLIEST,
        after: str = NOTHING,
    ) -> None:
        check_stream(stream)
        check_group(group)
        if not isinstance(consumer, str) or not _NAME.fullmatch(consumer):
            raise ConfigurationError(f"A consumer's name is ASCII without spaces, and no “~” first; got {consumer!r}.")
        if block is not None and not (isinstance(block, int | float) and 0 < block < FOREVER):
            raise ConfigurationError(f"block must be a number of seconds above 0, got {block!r}.")
        start = start_id(create_from, "create_from")
        self._url = safe_url(settings.url)
        self._block = block or settings.block
        self.client = command_client(settings)
        clients = Clients(reading_client(settings, consumer, self._block), self.client)
        self.group = Group(group_keys(stream, group, settings.key_prefix), group, consumer, clients)
        self._hand = Hand(self.group)
        self._halt = Halt()
        self._outage = Outage(settings.url, self._halt)
        self._reads = WaitingReads(self.group, self._halt)
        self._taking = Taking(self._hand, self._reads, block=self._block, create_from=start, after=after)
        self._turns = threading.Lock()  # one thread at a time takes
        self._error: redis.RedisError | None = None  # of a start; the next turn waits it out
        self._is_closed = False

    def connect(self) -> None:
        """Join the group; raises ``RedisUnavailableError`` when Redis cannot be reached, or refuses."""
        try:
            with self._turns:
                self._taking.join()
        except redis.RedisError as error:
            what = "cannot be reached" if isinstance(error, UNAVAILABLE) else "refuses"
            raise RedisUnavailableError(f"Redis at {self._url} {what}: {explain(error)}") from error

    def begin(self) -> None:
        """Let everything that is not acknowledged be taken again."""
        with self._turns:
            self._taking.begin_again()

    def turn(self, count: int) -> list[Entry]:
        """Take up to ``count`` entries, each of them for ``start``, waiting ``block`` seconds for the first.

        An outage is waited out, visibly, a little longer in each turn. Raises ``ConfigurationError`` when the key is
        no stream, or an operator has deleted the group.
        """
        with self._turns:
            try:
                error, self._error = self._error, None
                if error:
                    raise error
                entries = self._taking.take(count)
            except redis.RedisError as error:
                if self._taking.recover(error):
                    self._halt.wait(GONE_INTERVAL)
                else:
                    self._outage.wait(error, FOREVER)
                return []
            self._outage.over()
            return entries

    def start(self, entry: Entry) -> Entry | None:
        """``entry`` with its fields, counted as delivered; None if it was trimmed or is somebody else's by now.

        None also when Redis does not answer; then it is taken again.
        """
        if entry.is_new:
            return entry
        found = None
        try:
            found = self.group.start(entry)
        except redis.RedisError as error:
            self._error = error
        if found and found[0].fields:
            return found[0]
        if found:
            self._taking.report_trimmed([entry.entry_id])
        self._hand.release([entry.entry_id])
        return None

    def ack(self, entry_id: str) -> None:
        """Be done with an entry.

        While Redis does not answer this is remembered, and sent before anything else is taken.
        """
        self._hand.settle(entry_id, lambda: self.group.finish([entry_id]))
        self._stay_closed()

    def nack(self, entry_id: str, after: float) -> bool:
        """Let an entry be taken again, by anybody, in ``after`` seconds; False when it is not this consumer's.

        While Redis does not answer this is remembered, as an acknowledgement is.
        """
        is_ours = entry_id in self._hand

        def let_wait() -> None:
            nonlocal is_ours
            is_ours = self._let_wait(entry_id, after)

        self._hand.settle(entry_id, let_wait)
        if is_ours:
            self._taking.expect(after)
        self._stay_closed()
        return is_ours

    def hand_back(self, entries: Iterable[Entry]) -> None:
        """Let entries that were not started be taken by anybody, now."""
        left = list(entries)
        if not left:
            return
        try:
            if trimmed := self.group.hand_back(left):
                self.group.finish(trimmed)
        except redis.RedisError as error:
            logger.warning(
                "not_handed_back stream=%s count=%s error=%r: they stay pending",
                self.group.keys.stream,
                len(left),
                explain(error),
            )
        self._hand.release(entry.entry_id for entry in left)
        self._stay_closed()

    def fetch(self, count: int, block: float | None, after: str = NEW) -> list[Entry]:
        """What XREADGROUP gives: new entries, waiting ``block`` seconds or for ever; or what it holds beyond an id.

        Raises ``redis.RedisError`` when Redis does not answer.
        """
        deadline = FOREVER if block is None else time.monotonic() + block
        while not self._halt.is_asked():
            with self._turns:
                entries = self._fetch(count, min(self._block, deadline - time.monotonic()), after)
            found = [entry for entry in entries if entry.fields]  # the others were trimmed
            if found or (not entries and (after != NEW or time.monotonic() >= deadline)):
                return found
            if after != NEW:
                after = entries[-1].entry_id
        return []

    def is_stopped(self) -> bool:
        return self._halt.is_asked()

    def is_closed(self) -> bool:
        return self._is_closed

    def stop(self) -> None:
        """Take nothing any more, and return when no thread waits for the server."""
        self._reads.stop()

    def close(self) -> None:
        """Stop, send what Redis has yet to be told, and close the connections."""
        self.stop()
        with self._turns:
            try:
                if not self._is_closed:
                    self._taking.finish()
            except redis.RedisError as error:
                logger.warning("not_acknowledged stream=%s error=%r", self.group.keys.stream, explain(error))
            self._is_closed = True
            self.group.close()

    def _fetch(self, count: int, block: float, after: str) -> list[Entry]:
        try:
            return self._taking.read(count, block, after)
        except redis.ResponseError as error:
            if not self._taking.recover(error):
                raise
            self._halt.wait(GONE_INTERVAL)
            return []

    def _let_wait(self, entry_id: str, after: float) -> bool:
        """Whether it was this consumer's; safe to do twice."""
        for _ in range(LOOKS):
            _, found = self.group.own_pending(entry_id, entry_id)
            if not found:
                break
            settled = self.group.settle(found[0], self._wait(found[0], after))
            if settled is Settled.TRIMMED:
                self.group.finish([entry_id])
            if settled is not Settled.LOST:
                return True
        return False

    def _wait(self, entry: Entry, after: float) -> Verdict:
        # What each handler has made of it is kept, for consumers that handle it by several of them.
        kept = self.client.hget(self.group.keys.progress, entry.entry_id)
        progress = kept if isinstance(kept, bytes) else b""
        return Verdict(delay=after, delivery_count=entry.delivery_count, progress=progress)

    def _stay_closed(self) -> None:
        if self._is_closed:  # whoever uses a connection now will come here, too
            self.group.close()
