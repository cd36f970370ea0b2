"""What tests of orders share: entries in every state, orders, and their performance to the end."""

import json
from contextlib import suppress

from stream_events import StreamPublisher
from stream_events.connections import UNAVAILABLE
from stream_events.keys import group_keys, requeue_keys
from stream_events.operations.plans import Actor, Limit, Order, Progress, Target, Verb, perform, plan

KEYS = group_keys("orders", "billing", "t:")
REQUEUED = requeue_keys("orders", "billing", "t:")
KEY = KEYS.stream
ANA = Actor(name="ana", via="admin")


def publish(count, **payload):
    ids, _ = StreamPublisher("orders").batch_add([{"obj_id": number, **payload} for number in range(count)])
    return ids


def make_group(server, group="billing", start="0"):
    server.xgroup_create(KEY, group, id=start, mkstream=True)


def read(server, consumer="web-1", count=None, group="billing"):
    """Have ``consumer`` read; returns the ids."""
    rows = server.xreadgroup(group, consumer, {KEY: ">"}, count=count)
    return [entry_id.decode() for entry_id, _ in rows[0][1]] if rows else []


def let_live(server, consumer="web-1", seconds=60):
    now, _ = server.time()
    server.zadd(KEYS.consumers, {consumer: (now + seconds) * 1000})


def let_wait(server, entry_id, seconds=60, keys=KEYS, **error):
    """Have an entry wait for a retry as a consumer would, with its last error."""
    now, _ = server.time()
    server.xclaim(keys.stream, "billing", "~retry", 0, [entry_id], justid=True)
    server.zadd(keys.retry, {entry_id: (now + seconds) * 1000})
    if error:
        server.hset(keys.errors, entry_id, json.dumps(error))


def pending(server, keys=KEYS):
    """What is pending: id → (owner, delivery count)."""
    rows = server.xpending_range(keys.stream, "billing", "-", "+", 10000)
    return {row["message_id"].decode(): (row["consumer"].decode(), row["times_delivered"]) for row in rows}


def bury(server, count, start=0, error="ValueError: no such customer", **fields):
    """Dead letters, without the work of a consumer; their numbers begin with ``start``."""
    pipeline = server.pipeline(transaction=False)
    for number in range(start, start + count):
        letter = {
            "payload": json.dumps({"obj_id": number}),
            "event_id": f"event-{number}",
            "dead_reason": "max_deliveries",
            "dead_error": error,
            "dead_handler": "a",
            "dead_entry_id": f"1700000000000-{number}",
            **fields,
        }
        pipeline.xadd(KEYS.dead, letter)
    return [one.decode() for one in pipeline.execute()]


def order(verb, ids=(), *, where=None, group="billing", requeued=False, stream="orders", **options):
    targets = tuple(one if isinstance(one, Target) else Target(one) for one in ids)
    return Order(
        verb=Verb(verb), stream=stream, group=group, targets=targets, where=where, options=options, requeued=requeued
    )


def begin(verb, ids=(), **details):
    """The progress that the plan of an order begins with."""
    return Progress(order=plan(order(verb, ids, **details)).order)


def finish(progress, actor=ANA, limit=None):
    """Perform to the end, each slice in another process as far as anybody could tell."""
    while not progress.is_complete:
        progress = Progress.load(perform(progress, actor, limit or Limit()).dump())
    return progress


def finish_whatever_happens(progress):
    """As ``finish`` by somebody who performs a slice again when Redis does not answer."""
    while not progress.is_complete:
        with suppress(*UNAVAILABLE):
            progress = perform(progress, ANA)
    return progress


def do(verb, ids=(), **details):
    return finish(begin(verb, ids, **details))


def reasons(progress):
    return {one.id: one.reason for one in progress.reasons}
