"""A stream of millions of entries, of which many are pending in every state, made on the server itself."""

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from stream_events.keys import NO_GROUP, group_keys
from stream_events.operations.consumers import group_consumers
from stream_events.operations.dead_letters import LetterFilter, error_classes, letter, letters_page
from stream_events.operations.entries import entry_statuses, stream_entries, stream_entry
from stream_events.operations.inspection import discover_streams, server_facts, stream_states
from stream_events.operations.pending import EntryState, PendingFilter, pending_entries, pending_entry
from stream_events.operations.samples import TIERS, Sample, put

KEYS = group_keys("orders", "billing", "t:")
CONSUMERS = tuple(f"web-{number}-4121-0a1b2{number}" for number in range(5))
GONE, FOREIGN = CONSUMERS[4], "foreign"
WAITING = 10_000
LETTERS = 10_000
SLOWEST = 20_000  # microseconds that one command may take

# ARGV: the first number, how many, milliseconds of the first entry.
_ADD = """
for number = tonumber(ARGV[1]), ARGV[1] + ARGV[2] - 1 do
    redis.call('XADD', KEYS[1], string.format('%.0f-0', ARGV[3] + number), 'payload', string.format(
        '{"obj_id":%d,"obj_type":"shop.order","action":"update","data":{"number":"A-%d","status":"paid"}}',
        number, number))
end
"""
# ARGV: consumer, how many.
_READ = "return #redis.call('XREADGROUP', 'GROUP', 'billing', ARGV[1], 'COUNT', ARGV[2], 'STREAMS', KEYS[1], '>')"
# ARGV: milliseconds of the first entry, its number, how many, milliseconds of now, what is known of the failure.
_WAIT = """
for number = ARGV[2], ARGV[2] + ARGV[3] - 1 do
    local id = string.format('%.0f-0', ARGV[1] + number)
    redis.call('XCLAIM', KEYS[1], 'billing', '~retry', 0, id, 'JUSTID')
    redis.call('ZADD', KEYS[2], ARGV[4] + (number % 2 == 0 and 600000 or -600000), id)
    redis.call('HSET', KEYS[3], id, ARGV[5])
end
"""
# ARGV: milliseconds of the first entry, how many, the traceback.
_BURY = """
for number = 1, ARGV[2] do
    redis.call('XADD', KEYS[1], '*', 'payload', '{"obj_id":1,"obj_type":"shop.order","action":"create"}',
        'dead_reason', 'max_deliveries', 'dead_error', (number % 3 == 0 and 'KeyError: ' or 'ValueError: ') .. number,
        'dead_traceback', ARGV[3], 'dead_handler', 'invoice', 'dead_delivery_count', '8', 'dead_entry_id',
        string.format('%.0f-0', ARGV[1] + number), 'dead_consumer', 'web-0', 'dead_at', '2026-01-01T00:00:00+00:00')
end
"""


def build(client, entries=5_000_000, pending=1_000_000):
    """The stream ``orders`` and its group ``billing``, which holds the first ``pending`` entries.

    The first thousand are trimmed, and ten thousand in the middle wait, half of them for too long. A consumer that is
    gone and another program hold the last thousand.
    """
    now = round(time.time() * 1000)
    first = now - entries
    for number in range(0, entries, 50_000):
        client.eval(_ADD, 1, KEYS.stream, number, min(50_000, entries - number), first)
    client.xgroup_create(KEYS.stream, "billing", "0")
    for turn in range((pending - 1000) // 1000):
        client.eval(_READ, 1, KEYS.stream, CONSUMERS[turn % 4], 1000)
    client.eval(_READ, 1, KEYS.stream, GONE, 500)
    client.eval(_READ, 1, KEYS.stream, FOREIGN, 500)
    for consumer in CONSUMERS:
        client.zadd(KEYS.consumers, {consumer: now + (-60_000 if consumer == GONE else 3_600_000)})
    failure = json.dumps({"error": "ValueError: no such customer", "traceback": "x" * 2000, "handlers": ["invoice"]})
    for number in range(pending // 2, pending // 2 + WAITING, 1000):
        client.eval(_WAIT, 3, KEYS.stream, KEYS.retry, KEYS.errors, first, number, 1000, now, failure)
    for _ in range(LETTERS // 1000):
        client.eval(_BURY, 1, KEYS.dead, first, 1000, "x" * 4000)
    client.xtrim(KEYS.stream, minid=f"{first + 1000}-0", approximate=False)


@contextmanager
def filled(server):
    """``server`` with that stream; it keeps no file of it, and is as it was afterwards."""
    before = {name: server.config_get(name)[name] for name in ("appendonly", "slowlog-log-slower-than")}
    server.config_set("appendonly", "no")
    server.config_set("slowlog-log-slower-than", -1)
    build(server)
    server.config_set("slowlog-log-slower-than", SLOWEST)
    yield
    server.flushall()
    for name, value in before.items():
        server.config_set(name, value)


def slow_commands(server, look):
    """Those that took the server too long."""
    server.slowlog_reset()
    look()
    return [one["command"] for one in server.slowlog_get(-1)]


def commands(server, look):
    """How many ``look`` sends."""
    server.config_resetstat()
    look()
    return sum(one["calls"] for one in server.info("commandstats").values())


def remember(client, entries=5_000_000, pending=1_000_000):
    """The history of the stream and its group, in every tier as full as it gets; returns its keys."""
    now = round(time.time())
    for tier in TIERS:
        oldest = (now - tier.keep - tier.step) // tier.period * tier.period  # of the hashes that live
        for at in range(oldest, now, tier.step):
            with client.pipeline(transaction=False) as pipeline:
                for sample in _samples(at, now - at, entries, pending):
                    put(pipeline, tier, ("orders", sample[0]), sample[1], "t:")
                pipeline.execute()
    return list(client.scan_iter("{t:orders}:stats:*", 1000))


def _samples(at, age, entries, pending):
    moment, age = datetime.fromtimestamp(at, tz=UTC), age // 60
    yield NO_GROUP, Sample(at=moment, length=entries - age, added=10 * entries - 300 * age)
    yield (
        "billing",
        Sample(
            at=moment,
            read=9 * entries - 290 * age,
            pending=pending - age,
            lag=entries - pending + age,
            time_lag=86_400 + age,
            oldest_idle=3600 + age,
            dead=LETTERS,
        ),
    )


def looks():
    """Every look at that stream, by its name: the first page of each filter, those that find nothing, and others."""
    return {
        "stream_states": lambda: stream_states(["orders"]),
        "server_facts": server_facts,
        "discover_streams": discover_streams,
        "group_consumers": lambda: group_consumers("orders", "billing"),
        **{f"pending: {name}": look for name, look in _pending().items()},
        **{f"entries: {name}": look for name, look in _entries().items()},
        **{f"dead letters: {name}": look for name, look in _letters().items()},
    }


def _pending():
    some = pending_entries("orders", "billing", size=1).rows[0].entry_id
    filters = {
        "first page": PendingFilter(),
        "one consumer": PendingFilter(consumer=CONSUMERS[2]),
        "no consumer": PendingFilter(consumer="nobody"),
        **{f"state {state}": PendingFilter(state=state) for state in EntryState},
        "idle for a second": PendingFilter(min_idle=timedelta(seconds=1)),
        "idle for a day": PendingFilter(min_idle=timedelta(days=1)),
        "idle for a day, one consumer": PendingFilter(min_idle=timedelta(days=1), consumer=FOREIGN),
        "one delivery": PendingFilter(min_deliveries=1),
        "a hundred deliveries": PendingFilter(min_deliveries=100),
        "error": PendingFilter(error="no such customer"),
        "error of nobody": PendingFilter(error="KeyError"),
        "an hour of a day long ago": PendingFilter(since="1700000000000-0", until="1700003600000-0"),
        "abandoned and idle": PendingFilter(state=EntryState.ABANDONED, min_idle=timedelta(days=1)),
    }
    found = {name: lambda where=where: pending_entries("orders", "billing", where) for name, where in filters.items()}
    middle = f"{int(some.partition('-')[0]) + 50_000}-0"
    found["from the middle on"] = lambda: pending_entries("orders", "billing", after=middle)
    found["one entry"] = lambda: pending_entry("orders", "billing", middle)
    found["requeued"] = lambda: pending_entries("orders", "billing", requeued=True)
    return found


def _entries():
    newest = stream_entries("orders", size=1).rows[0].entry_id
    held = pending_entries("orders", "billing", size=1).rows[0].entry_id
    middle = f"{int(newest.partition('-')[0]) - 250_000}-0"
    oldest = f"{int(held.partition('-')[0]) + 1030}-0"  # thirty behind the first
    return {
        "newest": lambda: stream_entries("orders"),
        "from the middle": lambda: stream_entries("orders", before=middle),
        "the oldest": lambda: stream_entries("orders", before=oldest, size=30),
        "before the first": lambda: stream_entries("orders", before="1000-0"),
        "as seen by the group": lambda: stream_entries("orders", group="billing"),
        "held, as seen by the group": lambda: stream_entries("orders", after=held, group="billing"),
        "that contain text": lambda: stream_entries("orders", contains="order"),
        "that contain what none does": lambda: stream_entries("orders", contains="nowhere"),
        "one": lambda: stream_entry("orders", middle),
        "one in every group": lambda: entry_statuses("orders", held),
    }


def _letters():
    newest = letters_page("orders", "billing", size=1).rows[0].id
    filters = {
        "first page": LetterFilter(),
        "error": LetterFilter(error="KeyError"),
        "error of none": LetterFilter(error="TypeError"),
        "reason of none": LetterFilter(reason="crashed"),
        "handler of none": LetterFilter(handler="nobody"),
        "event of none": LetterFilter(event="shop.customer"),
        "an hour long ago": LetterFilter(since="1700000000000-0", until="1700003600000-0"),
    }
    found = {name: lambda where=where: letters_page("orders", "billing", where) for name, where in filters.items()}
    found["classes of errors"] = lambda: error_classes("orders", "billing")
    found["one"] = lambda: letter("orders", "billing", newest)
    return found
