"""Some hours in the life of a shop, written into Redis as publishers and consumers would have left them."""

import json
import math
from datetime import UTC, datetime

from stream_events.keys import RETRY_OWNER, group_keys
from stream_events.operations.samples import Sample, write

MINUTE, HOUR = 60, 3600
HOURS = 6  # of history
RATES = {"orders": 40, "stock": 10, "payments": 15}  # entries a minute
KEPT = HOUR  # seconds: what is older was trimmed
WAVE = 5400  # seconds
AWAY = 50 * MINUTE  # since when nobody works for the group “warehouse”
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/stream_events/consuming/running.py", line 88, in run
    handler.function(event)
  File "/srv/shop/billing/invoicing.py", line {line}, in create_invoice
    {source}
{error}
"""
FAILURES = {
    "OrderHasNoLinesError: A{number}": (16, "raise OrderHasNoLinesError(order.number)"),
    "OperationalError: connection to server at “tax.internal” failed: Connection refused": (
        21,
        "rate = tax_rate(order)",
    ),
    "KeyError: 'vat_rate'": (23, 'rate = prices["vat_rate"]'),
}
FIRST, SECOND, THIRD = FAILURES
GROUPS = {"orders": ("billing", "customer_care"), "stock": ("warehouse", "forecasts"), "payments": ("ledger",)}


class Scene:
    """Fills the Redis behind ``client``; everything ends ``now``, in seconds."""

    def __init__(self, client, now):
        self.client, self.now = client, now
        self.ids = {}

    def fill(self):
        for stream, rate in RATES.items():
            self._publish(stream, rate)
        self.client.xadd("imports:2019", {"row": "1"}, id=f"{int((self.now - 90 * 86400) * 1000)}-0")
        self._work_with_failures("orders", "billing")
        self._work("orders", "customer_care", "care-1-2201-9d01aa")
        self._work("payments", "ledger", "ledger-1-811-0fe2b1")
        self._work("stock", "forecasts", "forecasts-1-77-c03d55", until=self.now - 12 * MINUTE)
        self._leave("stock", "warehouse", "warehouse-2-4121-77ab10", held=40)
        self._remember()

    def _added(self, rate, at):
        """How many entries a stream got until ``at``: more and fewer of them, in waves."""
        swing = 0.4 * WAVE / (2 * math.pi) if rate > 10 else 0
        seconds = at - self.now + HOURS * HOUR - swing * math.cos(2 * math.pi * at / WAVE)
        return int(rate * seconds / MINUTE + 1000)

    def _publish(self, stream, rate):
        """The entries of the last hour; older ones were trimmed."""
        step = MINUTE / rate
        count = int(KEPT / step)
        times = [self.now - 4 - (count - 1 - number) * step for number in range(count)]
        ids = self.ids[stream] = [f"{int(at * 1000)}-0" for at in times]
        pipeline = self.client.pipeline(transaction=False)
        for number, entry_id in enumerate(ids):
            pipeline.xadd(stream, _fields(stream, number), id=entry_id)
        added = self._added(rate, self.now)
        pipeline.execute_command("XSETID", stream, ids[-1], "ENTRIESADDED", added, "MAXDELETEDID", "1-0")
        pipeline.execute()

    def _work(self, stream, group, *consumers, until=None):
        """Let the first of ``consumers`` handle all that was added ``until`` some time."""
        keys, ids = group_keys(stream, group), self.ids[stream]
        last = next((one for one in ids if until and _seconds(one) > until), ids[-1])
        unread = len(ids) - 1 - ids.index(last)
        read = self._added(RATES[stream], self.now) - unread
        self.client.xgroup_create(stream, group, id=last, entries_read=read)
        self.client.set(keys.cursor, last)
        for consumer in consumers:
            self._live(keys, group, consumer)

    def _leave(self, stream, group, consumer, held):
        """Let ``consumer`` die when it had read ``held`` entries that it never acknowledged."""
        keys = group_keys(stream, group)
        self._work(stream, group, until=self.now - AWAY - held * MINUTE / RATES[stream])
        entries = self.client.xreadgroup(group, consumer, {stream: ">"}, count=held)[0][1]
        names = [entry_id for entry_id, _fields in entries]
        self.client.xclaim(stream, group, consumer, 0, names, idle=AWAY * 1000, justid=True)
        self.client.zadd(keys.consumers, {consumer: (self.now - AWAY + 30) * 1000})

    def _live(self, keys, group, consumer):
        self.client.xgroup_createconsumer(keys.stream, group, consumer)
        self.client.zadd(keys.consumers, {consumer: (self.now + HOUR) * 1000})

    def _work_with_failures(self, stream, group):
        keys, ids = group_keys(stream, group), self.ids[stream]
        at_work, gone = "billing-1-4188-5e0c2f", "billing-2-4190-aa71d3"
        self._work(stream, group, at_work, "billing-3-4402-18bf07", until=_seconds(ids[-9]) - 0.1)
        self.client.xreadgroup(group, at_work, {stream: ">"}, count=2)
        self.client.xreadgroup(group, gone, {stream: ">"}, count=1)
        self.client.zadd(keys.consumers, {gone: (self.now - 90) * 1000})
        self.client.xreadgroup(group, at_work, {stream: ">"}, count=5)
        for number, entry_id in enumerate(ids[-5:]):
            self._wait(keys, group, entry_id, number)
        for number in range(23):
            self._bury(keys, number)

    def _wait(self, keys, group, entry_id, number):
        name = (FIRST, FIRST, SECOND, FIRST, THIRD)[number]
        error = name.format(number=104000 + len(self.ids["orders"]) - 5 + number)
        deliveries = 4 - number // 2
        failure = {"error": error, "traceback": _traceback(name, error), "handlers": ["create_invoice"]}
        options = {"retrycount": deliveries, "justid": True, "idle": 1000 * (5 - number) * 3}
        self.client.xclaim(keys.stream, group, RETRY_OWNER, 0, [entry_id], **options)
        self.client.zadd(keys.retry, {entry_id: (self.now + 70 * (number + 1)) * 1000})
        self.client.hset(keys.errors, entry_id, json.dumps(failure))

    def _bury(self, keys, number):
        name = (FIRST, FIRST, SECOND, THIRD, FIRST)[number % 5]
        error = name.format(number=104000 + 9 * number)
        original = self.ids[keys.stream][9 * number]
        at = self.now - 38 * MINUTE + 80 * number
        letter = {
            **_fields(keys.stream, 9 * number),
            "dead_reason": "max_deliveries",
            "dead_error": error,
            "dead_traceback": _traceback(name, error),
            "dead_handler": "demo_project.billing.invoicing.create_invoice",
            "dead_delivery_count": 8,
            "dead_entry_id": original,
            "dead_consumer": "billing-1-4188-5e0c2f",
            "dead_at": datetime.fromtimestamp(at, UTC).isoformat(),
        }
        self.client.xadd(keys.dead, letter, id=f"{int(at * 1000)}-0")

    def _remember(self):
        """The history, a sample for each minute, with a quarter of an hour in which nobody took any."""
        pipeline = self.client.pipeline(transaction=False)
        for stream, rate in RATES.items():
            for ago in range(HOURS * HOUR, 0, -MINUTE):
                if 95 * MINUTE < ago < 110 * MINUTE:
                    continue
                at = self.now - ago
                added = self._added(rate, at)
                moment = datetime.fromtimestamp(at, UTC)
                write(pipeline, (stream, ""), Sample(at=moment, length=rate * 60, added=added), "")
                for group in GROUPS[stream]:
                    write(pipeline, (stream, group), self._sample(group, moment, added, ago), "")
        pipeline.execute()

    def _sample(self, group, at, added, ago):
        busy = max(math.sin(ago / 1100), 0)
        lag = {
            "forecasts": 10 * max(12 - ago / MINUTE, 0),
            "warehouse": 10 * max(AWAY - ago, 0) / MINUTE,
            "billing": 25 * busy**3,
        }.get(group, 4 * busy)
        pending = {"billing": 3 + 5 * busy, "warehouse": 40 if ago < AWAY else 2}.get(group, 0)
        dead = 23 if group == "billing" else 0
        seconds = int(lag * 1.5 if group == "billing" else lag * 6)
        return Sample(at=at, read=added - int(lag), pending=int(pending), lag=int(lag), time_lag=seconds, dead=dead)


def _seconds(entry_id):
    return int(entry_id.partition("-")[0]) / 1000


def _traceback(name, error):
    line, source = FAILURES[name]
    return TRACEBACK.format(line=line, source=source, error=error)


def _fields(stream, number):
    payload = {
        "orders": {
            "obj_type": "shop.order",
            "action": "create",
            "obj_id": number + 1,
            "data": {"number": f"A{104000 + number}", "status": "placed"},
        },
        "stock": {
            "obj_type": "stock.product",
            "action": "update",
            "obj_id": number % 40,
            "data": {"sku": f"TEA-{number % 40:03}", "in_stock": number % 17},
            "changed": ["in_stock"],
        },
        "payments": {
            "obj_type": "payments.payment",
            "action": "create",
            "obj_id": number + 1,
            "data": {"order": f"A{104000 + number}", "amount": "39.00", "currency": "EUR"},
        },
    }[stream]
    event_id = f"{number:08x}-5f3a-4c1e-a{number % 1000:03}-{stream.encode().hex()[:12]:0<12}"
    return {"payload": json.dumps(payload, separators=(",", ":")), "event_id": event_id}
