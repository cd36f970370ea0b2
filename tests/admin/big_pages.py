"""Every page of the admin over the stream of ``big_stream``, and every confirmation that changes nothing."""

from datetime import UTC, datetime
from functools import partial

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.http import urlencode

from stream_events.admin.names import object_id
from stream_events.operations.dead_letters import letters_page
from stream_events.operations.entries import stream_entries
from stream_events.operations.pending import EntryState
from tests.admin.forms import act, boxes, send
from tests.operations.big_stream import CONSUMERS, FOREIGN

GROUP = "orders~billing"
LETTER_VERBS = ("requeue", "discard", "replay")
AT = {"place": "entry"}
CONSUMER = ("orders", "billing", FOREIGN)


def url(model, *parts, page="", **query):
    """The page of ``model``, or of one of them; ``page`` is another than the usual one."""
    name = page or ("change" if parts else "changelist")
    path = reverse(f"admin:stream_events_{model}_{name}", args=(quote(object_id(*parts)),) if parts else ())
    return f"{path}?{urlencode(query)}" if query else path


def order_url(model, verb, *parts, **query):
    path = reverse(f"admin:stream_events_{model}_order", args=(quote(object_id(*parts)), verb))
    return f"{path}?{urlencode(query)}" if query else path


def pages(client):
    """What ``client`` can look at, by its name: functions that return the response."""
    urls = {**_streams(), **_entries(), **_groups(), **_pending(), **_letters(), **_others()}
    found = {name: partial(client.get, one) for name, one in urls.items()}
    poll = {"X-Stream-Events-Poll": "1"}
    found["refresh: stream"] = partial(client.get, url("stream", "orders"), headers=poll)
    found["refresh: pending"] = partial(client.get, url("pendingentry", group=GROUP), headers=poll)
    return found | _confirmations(client) | _confirmations_of_all(client)


def _streams():
    return {
        "streams": url("stream"),
        "streams: failing": url("stream", health="failing"),
        "streams: dead letters": url("stream", dead="yes"),
        "streams: discover": url("stream", discover="1"),
        "stream: 1 hour": url("stream", "orders"),
        "stream: 24 hours": url("stream", "orders", span="24h"),
        "stream: 7 days": url("stream", "orders", span="7d"),
        "stream: danger zone": url("stream", "orders", page="danger"),
        "stream: log": url("stream", "orders", page="history"),
        "stream: publish to which": f"{url('stream')}publish/",
    }


def _entries():
    newest = stream_entries("orders", size=1).rows[0].entry_id
    held = _held()
    time = _milliseconds(newest) - 250_000
    middle, moment = f"{time}-0", datetime.fromtimestamp(time / 1000, tz=UTC).isoformat(timespec="seconds")
    listed = partial(url, "stream", "orders", page="entries")
    return {
        "entries": listed(),
        "entries: 200 on a page": listed(size=200),
        "entries: older": listed(before=middle),
        "entries: newer": listed(after=middle),
        "entries: the oldest": listed(after="1-0"),
        "entries: before the first": listed(before="1000-0"),
        "entries: go to time": listed(time=moment),
        "entries: go to id": listed(id=middle),
        "entries: contain": listed(contains="shop.order"),
        "entries: contain, none": listed(contains="nowhere"),
        "entries: as seen by the group": listed(group="billing"),
        "entries: held, as seen by the group": listed(group="billing", after=held),
        "entries: contain, as seen by the group": listed(group="billing", contains="shop.order"),
        "entry": url("stream", "orders", middle, page="entry"),
        "entry: pending": url("stream", "orders", held, page="entry"),
        "entry: payload": url("stream", "orders", held, page="payload"),
    }


def _groups():
    return {
        "groups": url("consumergroup"),
        "groups: failing": url("consumergroup", health="failing"),
        "groups: lag": url("consumergroup", lag="100"),
        "group": url("consumergroup", "orders", "billing"),
        "group: log": url("consumergroup", "orders", "billing", page="history"),
    }


def _pending():
    held = _held()
    first = _milliseconds(held)
    middle, waiting = f"{first + 250_000}-0", f"{first + 500_100}-0"
    filters = {
        "": {},
        "200 on a page": {"size": 200},
        "middle": {"after": middle},
        **{f"state {state}": {"state": state} for state in EntryState},
        "one consumer": {"consumer": CONSUMERS[2]},
        "another program": {"consumer": FOREIGN},
        "no consumer": {"consumer": "nobody"},
        "idle for a minute": {"min_idle": 60},
        "idle for a day": {"min_idle": 86400},
        "two deliveries": {"min_deliveries": 2},
        "eight deliveries": {"min_deliveries": 8},
        "error": {"error": "no such customer"},
        "error of none": {"error": "KeyError"},
        "since": {"since": middle},
        "waiting, idle for a day": {"state": "waiting", "min_idle": 86400},
        "abandoned, with error": {"state": "abandoned", "error": "no such customer"},
        "requeued": {"requeued": "1"},
    }
    return {
        "pending: no group": url("pendingentry"),
        **{f"pending: {name}": url("pendingentry", group=GROUP, **where) for name, where in filters.items()},
        "pending entry": url("pendingentry", "orders", "billing", middle),
        "pending entry: waiting": url("pendingentry", "orders", "billing", waiting),
    }


def _letters():
    newest = letters_page("orders", "billing", size=200).rows[-1].id
    filters = {
        "": {},
        "200 on a page": {"size": 200},
        "older": {"before": newest},
        "error": {"error": "KeyError"},
        "error of none": {"error": "TypeError"},
        "reason": {"reason": "max_deliveries"},
        "reason of none": {"reason": "crashed"},
        "handler": {"handler": "invoice"},
        "handler of none": {"handler": "nobody"},
        "event": {"event": "shop.order create"},
        "event of none": {"event": "shop.customer"},
        "since": {"since": newest},
        "until": {"until": "1700000000000-0"},
    }
    return {
        **{f"letters: {name}": url("deadletter", group=GROUP, **where) for name, where in filters.items()},
        "letter": url("deadletter", "orders", "billing", newest),
    }


def _others():
    return {
        "consumers": url("consumer"),
        "consumers: of a group": url("consumer", group=GROUP),
        "consumers: running": url("consumer", state="running"),
        "consumer": url("consumer", "orders", "billing", CONSUMERS[0]),
        "consumer: gone": url("consumer", "orders", "billing", CONSUMERS[4]),
        "outbox": url("outboxevent"),
    }


def _confirmations(client):
    """The pages that come before something is done to one entry, a group or a stream."""
    held = _held()
    dead = letters_page("orders", "billing", size=1).rows[0].id
    pending = partial(order_url, "pendingentry")
    urls = {
        **{f"order: {verb} one": pending(verb, "orders", "billing", held) for verb in ("ack", "retry", "dead")},
        **{f"order: {verb} one": order_url("deadletter", verb, "orders", "billing", dead) for verb in LETTER_VERBS},
    }
    found = {name: partial(client.get, one) for name, one in urls.items()}
    reset, trim = order_url("consumergroup", "reset", "orders", "billing"), order_url("stream", "trim", "orders")
    forms = {
        "order: claim one": (pending("claim", "orders", "billing", held), {"consumer": CONSUMERS[0]}),
        "order: reset to the beginning": (reset, {"place": "beginning"}),
        "order: reset to the end": (reset, {"place": "end"}),
        "order: reset to an entry": (reset, {**AT, "entry": _middle(held)}),
        "order: delete the group": (order_url("consumergroup", "delete-group", "orders", "billing"), {}),
        "order: trim to a million": (trim, {"place": "length", "length": 1_000_000}),
        "order: trim all": (trim, {"place": "length", "length": 0}),
        "order: trim before an entry": (trim, {**AT, "entry": _middle(held)}),
        "order: delete a consumer": (order_url("consumer", "delete-consumer", *CONSUMER), {"move": "on"}),
    }
    for name, (one, values) in forms.items():
        found[f"{name}: options"] = partial(client.get, one)
        found[name] = partial(_send_options, client, client.get(one), values)
    found["order: delete the stream"] = partial(client.get, order_url("stream", "delete-stream", "orders"))
    return found


def _confirmations_of_all(client):
    """The same for all that a filter lets through, and for a page of rows that were picked."""
    pending, letters = url("pendingentry", group=GROUP), url("deadletter", group=GROUP)
    found = {}
    for verb in ("ack", "retry", "claim", "dead"):
        found[f"order: {verb} all"] = partial(act, client, pending, verb, scope="all")
    for verb in LETTER_VERBS:
        found[f"order: {verb} all"] = partial(act, client, letters, verb, scope="all")
    found["order: ack all that are abandoned"] = partial(act, client, f"{pending}&state=abandoned", "ack", scope="all")
    found["order: requeue all of an error"] = partial(act, client, f"{letters}&error=KeyError", "requeue", scope="all")
    picked = {one: boxes(client.get(f"{one}&size=200")) for one in (pending, letters)}
    found["order: ack 200"] = partial(act, client, pending, "ack", picked[pending])
    found["order: requeue 200"] = partial(act, client, letters, "requeue", picked[letters])
    return found


def _middle(held):
    """An entry id half a million entries behind the first one that is held."""
    return f"{_milliseconds(held) + 500_000}-0"


def _held():
    """The first pending entry that is in the stream."""
    return stream_entries("orders", after="1-0", size=1).rows[0].entry_id


def _send_options(client, page, values):
    return send(client, page, "se-options", **values)


def _milliseconds(entry_id):
    return int(entry_id.partition("-")[0])
