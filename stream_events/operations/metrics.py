"""Metrics for Prometheus: what waits in the outboxes, and what this process has published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.db import connections

from stream_events.exceptions import ConfigurationError
from stream_events.operations.backlog import Backlog, outbox_backlogs
from stream_events.publishing.counts import OUTCOMES, outcomes

if TYPE_CHECKING:
    from prometheus_client.core import Metric

HOST = "127.0.0.1"


class Metrics:
    """A collector for any registry of prometheus_client, which asks the databases whenever it is asked.

    A database that does not answer has no samples. Raises ``ConfigurationError`` when the extra is not installed.
    """

    def __init__(self) -> None:
        if find_spec("prometheus_client") is None:
            raise ConfigurationError("Metrics need the extra “metrics”: pip install 'stream_events[metrics]'.")

    def describe(self) -> Iterator[Metric]:
        """The metrics without samples, so that registering asks no database."""
        return _families([])

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        return _families(_backlogs())


@contextmanager
def serve(port: int | None) -> Iterator[None]:
    """Answer Prometheus at ``port`` of 127.0.0.1 while the block runs; None is no port, and nobody is answered.

    What the project has in prometheus_client's default registry is part of the answer. Raises
    ``ConfigurationError`` when the port cannot be had, or the extra is not installed.
    """
    if port is None:
        yield
        return
    metrics = Metrics()
    from prometheus_client import REGISTRY, start_http_server  # an extra, which not everybody has

    with suppress(ValueError):  # the project has registered one itself
        REGISTRY.register(metrics)
    try:
        server, thread = start_http_server(port, HOST)
    except OSError as error:
        raise ConfigurationError(f"Metrics cannot be served at {HOST}:{port}: {error.strerror}.") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _backlogs() -> list[Backlog]:
    """What waits, without leaving a connection behind in a thread that nobody closes connections for."""
    before = connections.all(initialized_only=True)
    try:
        return outbox_backlogs()
    finally:
        for connection in connections.all(initialized_only=True):
            if connection not in before:
                connection.close()


def _families(backlogs: list[Backlog]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # an extra, as above

    events = GaugeMetricFamily(
        "stream_events_outbox_events",
        "Events that wait in the outbox; at most 10,000 are counted.",
        labels=["database"],
    )
    age = GaugeMetricFamily(
        "stream_events_outbox_oldest_age_seconds",
        "How long the oldest event in the outbox has waited; 0 when none waits.",
        labels=["database"],
    )
    for backlog in backlogs:
        if not backlog.problem:
            events.add_metric([backlog.alias], backlog.count)
            age.add_metric([backlog.alias], backlog.age)
    counts = CounterMetricFamily(
        "stream_events_publishing",
        "Events that this process published, spilled to the outbox, lost, or rejected because they could not be"
        " encoded.",
        labels=["outcome"],
    )
    for outcome in OUTCOMES:
        counts.add_metric([outcome], outcomes[outcome])
    yield from (events, age, counts)
