"""Looks after the calls of handlers that are under way, from outside."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from stream_events.connections import explain
from stream_events.consuming.context import Context
from stream_events.consuming.dispatch import Dispatcher, Running
from stream_events.exceptions import HandlerTimeoutError, RedisUnavailableError

logger = logging.getLogger("stream_events")

INTERVAL = 0.1
PAUSE = 1.0  # seconds after Redis did not answer
MARGIN = 5.0  # seconds beyond the shutdown timeout, for whatever is no handler and does not end


class Watch:
    """Acknowledges what is finished while others are slow, and gives up handlers that run for too long.

    A thread cannot be ended from outside. So when a handler is given up, ``before_end`` is called, and then the
    consumer's option ``abandon``, which is to end the process. At ``deadline`` it tells the consumer to stop.
    While the consumer is to stop, ``on_stop`` is called again and again.
    """

    def __init__(
        self,
        context: Context,
        dispatcher: Dispatcher,
        deadline: float,
        *,
        on_stop: Callable[[], None],
        before_end: Callable[[], None],
    ) -> None:
        self._deadline = deadline
        self._on_stop = on_stop
        self._flush_at = 0.0
        self._context = context
        self._dispatcher = dispatcher
        self._before_end = before_end
        self._patience = context.options.shutdown_timeout or context.settings.shutdown_timeout
        self._stopping_since: float | None = None
        self._is_hopeless = False

    def is_hopeless(self) -> bool:
        """Whether a handler was given up: its thread must not be waited for."""
        return self._is_hopeless

    def tick(self) -> float:
        now = time.monotonic()
        if now >= self._flush_at:
            self._flush(now)
        if now >= self._deadline:
            self._context.halt.ask()
        if self._context.options.drain and self._context.lease.is_lost(now):
            self._context.halt.fail(RedisUnavailableError("Redis has not answered for the time of a lease."))
        if self._context.halt.is_asked():
            if self._stopping_since is None:
                self._stopping_since = now
                context = self._context
                consumer = context.hand.group.consumer
                logger.info(
                    "consumer_stopping stream=%s group=%s consumer=%s", context.stream, context.group, consumer
                )
            self._on_stop()
        for running in self._dispatcher.running():
            if not self._is_hopeless and (reason := self._reason(running, now)):
                self._give_up(f"Handler {running.handler.name} {reason}, with entry {running.entry_id}")
        if not self._is_hopeless and self._stops_for(now) > self._patience + MARGIN:
            self._give_up("The consumer does not come to its end")
        return INTERVAL

    def _flush(self, now: float) -> None:
        try:
            for hand in self._context.hands:
                if hand.is_late(now):
                    hand.flush()
            self._context.mark.follow(self._context.hand.settled)
        except redis.RedisError as error:
            logger.warning("not_acknowledged error=%r: it is tried again", explain(error))
            self._flush_at = now + PAUSE

    def _reason(self, running: Running, now: float) -> str:
        limit = running.handler.timeout or self._context.settings.handler_timeout
        if now - running.since > limit:
            return f"has run for more than {limit:g} s (its timeout)"
        if self._stops_for(now) > self._patience:
            return f"still runs {self._patience:g} s after the consumer was to stop (its shutdown timeout)"
        return ""

    def _stops_for(self, now: float) -> float:
        return 0.0 if self._stopping_since is None else now - self._stopping_since

    def _give_up(self, reason: str) -> None:
        self._is_hopeless = True
        error = HandlerTimeoutError(
            f"{reason} (stream {self._context.stream}). What it holds stays pending; another consumer adopts it."
        )
        logger.error("handler_given_up %s", error)
        self._context.halt.fail(error)
        self._before_end()
        if self._context.options.abandon:
            self._context.options.abandon(error)
