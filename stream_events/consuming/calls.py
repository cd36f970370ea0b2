"""Calls of handlers for some entries that were started, and what each of them came to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stream_events.consuming import database
from stream_events.consuming.attempt import Attempt
from stream_events.consuming.context import Context
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.hand import Hand
from stream_events.consuming.policy import Policy
from stream_events.consuming.settlement import Settlement
from stream_events.registration import Handler

INTERRUPTED = Exception("nothing more may be started")  # never raised


class Calls:
    """Calls what is ready of attempts, one by one or in batches, and has each settled when nothing is left."""

    def __init__(self, context: Context, dispatcher: Dispatcher, settlement: Settlement) -> None:
        self.policy = Policy(context.settings)
        self._context = context
        self._dispatcher = dispatcher
        self._settlement = settlement

    def make(self, hand: Hand, attempts: list[Attempt]) -> BaseException | None:
        """Call the handlers that are ready, and settle each attempt when none is left.

        Returns the error if the database is away, which is nobody's failure, or ``INTERRUPTED`` if no more may be
        started; what is not settled then stays in ``attempts``.
        """
        batches: dict[str, list[Attempt]] = {}
        for attempt in attempts[:]:
            for handler in attempt.ready[:]:
                if handler.batch and len(attempts) > 1:
                    batches.setdefault(handler.name, []).append(attempt)
                elif stop := self._call(handler, attempt):
                    return stop
            self._settle_done(hand, attempts, [attempt])
        for name, wanting in batches.items():
            (handler,) = self._dispatcher.named(name)
            size = handler.batch or 1
            for at in range(0, len(wanting), size):
                stop = self._call_batch(handler, wanting[at : at + size])
                self._settle_done(hand, attempts, wanting[at : at + size])
                if stop:
                    return stop
        return None

    def _settle_done(self, hand: Hand, attempts: list[Attempt], called: Sequence[Attempt]) -> None:
        for attempt in called:
            if not attempt.ready:
                self._settlement.settle(hand, attempt)
                attempts.remove(attempt)

    def _call_batch(self, handler: Handler, attempts: Sequence[Attempt]) -> BaseException | None:
        """Call ``handler`` for all of them at once, and for each of them alone if that fails."""
        if self._must_not_start():
            return INTERRUPTED
        if len(attempts) > 1:
            error = self._dispatcher.call(handler, [attempt.event_for(handler) for attempt in attempts])
            if error is None:
                for attempt in attempts:
                    attempt.note(handler, None, self.policy)
                return None
            database.look_after()
            if database.is_outage(error):
                return error
        for attempt in attempts:
            if stop := self._call(handler, attempt):
                return stop
        return None

    def _must_not_start(self) -> bool:
        return self._context.halt.is_asked() or not self._context.lease.is_sure(time.monotonic())

    def _call(self, handler: Handler, attempt: Attempt) -> BaseException | None:
        if self._must_not_start():
            return INTERRUPTED
        error = self._dispatcher.call(handler, [attempt.event_for(handler)])
        if error is not None:
            database.look_after()  # the reason may be a connection that the next entry would get
            if database.is_outage(error):
                return error
            self._context.tally.add("failed")
        attempt.note(handler, error, self.policy)
        return None
