"""What the handlers of a consumer without a group make of one entry: they are tried, and tried again."""

from __future__ import annotations

import logging
from dataclasses import replace
from enum import Enum

from stream_events.conf import Settings
from stream_events.consuming import database
from stream_events.consuming.database import DatabaseOutage
from stream_events.consuming.dispatch import Dispatcher
from stream_events.consuming.halt import Halt
from stream_events.consuming.policy import Dead, Policy
from stream_events.events import Entry, Event
from stream_events.exceptions import EventDecodeError
from stream_events.keys import NO_GROUP
from stream_events.registration import Handler
from stream_events.tally import Tally

logger = logging.getLogger("stream_events")

FIRST_PAUSE = 0.5  # seconds before the second try; doubled for each one that follows


class Outcome(Enum):
    """What has become of one entry."""

    HANDLED = "handled"  # by all handlers that wanted it, if any
    PASSED_OVER = "passed_over"  # one of them has failed too often, or the entry is no event
    INTERRUPTED = "interrupted"  # the consumer is to stop


class Tries:
    """Calls handlers up to ``attempts`` times for each entry of ``stream``, and counts in ``tally``.

    There is no pending list for an entry to wait in: those behind it wait while it is tried again.
    """

    def __init__(self, stream: str, dispatcher: Dispatcher, settings: Settings, attempts: int, halt: Halt) -> None:
        self.tally = Tally()
        self.is_waiting = False  # for the database, or with another try
        self._stream = stream
        self._dispatcher = dispatcher
        self._policy = Policy(replace(settings, max_deliveries=attempts, backoff=FIRST_PAUSE))
        self._outage = DatabaseOutage(halt, float("inf"))
        self._halt = halt

    def make(self, entry: Entry) -> Outcome:
        """Call the handlers that want the event in ``entry``, one after the other."""
        self.tally.add("started")
        try:
            event = Event.from_entry(entry, stream=self._stream, group=NO_GROUP)
        except EventDecodeError as error:
            self._pass_over("entry_not_decoded stream=%s error=%r", self._stream, str(error))
            return Outcome.PASSED_OVER
        wanted = self._dispatcher.wanted(event)
        if not wanted:
            self.tally.add("unhandled")
        outcomes = set()
        for handler in wanted:
            outcome = self._try(handler, event)
            if outcome is Outcome.INTERRUPTED:
                return outcome
            outcomes.add(outcome)
        return Outcome.PASSED_OVER if Outcome.PASSED_OVER in outcomes else Outcome.HANDLED

    def _try(self, handler: Handler, event: Event) -> Outcome:
        attempt = 1
        while error := self._dispatcher.call(handler, [replace(event, delivery_count=attempt)]):
            database.look_after()  # the reason may be a connection that the next try would get
            if database.is_outage(error):
                if not self._sit_out(error):
                    return Outcome.INTERRUPTED
                continue
            self.tally.add("failed")
            decision = self._policy.after_failure(handler, error, attempt)
            if isinstance(decision, Dead):
                text = "event_passed_over stream=%s handler=%s entry_id=%s event_id=%s reason=%s attempts=%s"
                where = (event.stream, handler.name, event.entry_id, event.event_id)
                self._pass_over(text, *where, decision.reason, attempt)
                return Outcome.PASSED_OVER
            self._pause(decision.delay)
            if self._halt.is_asked():
                return Outcome.INTERRUPTED
            attempt += 1
        return Outcome.HANDLED

    def _sit_out(self, error: BaseException) -> bool:
        self.is_waiting = True
        is_back = self._outage.sit_out(error, lambda: None)
        self.is_waiting = False
        return is_back

    def _pause(self, seconds: float) -> None:
        self.is_waiting = True
        self._halt.wait(seconds)
        self.is_waiting = False

    def _pass_over(self, text: str, *arguments: object) -> None:
        self.tally.add("passed_over")
        logger.error(text, *arguments)
