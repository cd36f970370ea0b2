"""The verbs that look: what each finds, in JSON and for people."""

import io
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command

from stream_events import StreamPublisher
from stream_events.keys import group_keys
from stream_events.management.streams.filters import entry_id, first_id, id_before, last_id
from stream_events.operations.history import take_sample
from tests.management.operating import Terminal, streams

KEYS = group_keys("orders", "billing", "t:")
FAILURE = {"error": "ValueError: no such customer", "traceback": "Traceback …", "handlers": ["invoice"]}


def handle(event):
    pass


@pytest.fixture
def ids(server, registry):
    """Six entries: one in hand, one waiting after a failure, four unread; and two dead letters."""
    registry.register(handle, stream="orders", group="billing")
    payloads = [{"obj_id": number, "obj_type": "shop.order", "action": "create"} for number in range(6)]
    ids = StreamPublisher("orders").batch_add(payloads)[0]
    server.xgroup_create(KEYS.stream, "billing", "0")
    server.xreadgroup("billing", "one", {KEYS.stream: ">"}, count=2)
    server.zadd(KEYS.consumers, {"one": (time.time() + 600) * 1000})
    server.xclaim(KEYS.stream, "billing", "~retry", 0, [ids[1]], justid=True)
    server.zadd(KEYS.retry, {ids[1]: (time.time() + 600) * 1000})
    server.hset(KEYS.errors, ids[1], json.dumps(FAILURE))
    for error in ("ValueError: no such customer", "TimeoutError: late"):
        letter = {"payload": '{"obj_id": 9}', "dead_reason": "failed", "dead_error": error, "dead_handler": "invoice"}
        more = {"dead_traceback": f"Traceback\n{error}", "dead_delivery_count": 8, "dead_entry_id": "1-0"}
        server.xadd(KEYS.dead, {**letter, **more, "dead_at": "2026-08-22T09:10:00+00:00"})
    return ids


def found(*arguments):
    ran = streams(*arguments, "--format", "json")
    assert ran.code == 0, ran.err
    return ran.document


def test_status_has_a_line_for_each_stream_the_worst_first(ids, registry):
    registry.register(handle, stream="carts", group="billing")
    document = found("status")
    health = {one["stream"]: one["health"] for one in document["streams"]}
    assert (next(iter(health)), health["orders"], health["carts"]) == ("orders", "failing", "idle")
    orders = document["streams"][0]
    assert (orders["length"], orders["lag"], orders["pending"], orders["dead"]) == (6, 4, 2, 2)
    assert orders["problems"] == ["billing: 1 waiting for a retry, 2 dead letters"]
    assert document["server"]["url"].startswith("embedded://")


def test_groups_have_the_columns_of_an_operator(ids):
    title, row = streams("groups", "orders").out.splitlines()
    assert title == "STREAM  GROUP    HEALTH   LAG  LAG-TIME  PENDING  OLDEST  CONSUMERS  HANDLED/MIN"
    assert row.split()[:4] == ["orders", "billing", "failing", "4"]
    assert row.split()[-2:] == ["1/1", "-"]


def test_groups_show_other_columns_when_they_are_asked_for(ids):
    assert streams("groups", "--columns", "group,dead,waiting").out.splitlines() == [
        "GROUP    DEAD  WAITING",
        "billing     2        1",
    ]


def test_an_unknown_lag_is_null_and_said_to_be_unknown(ids, server):
    server.xdel(KEYS.stream, ids[3])
    (group,) = found("groups")["groups"]
    row = streams("groups", "--columns", "lag").out.split()[1]
    assert (group["lag"], row) in [(None, "unknown"), (3, "3")]


def test_consumers_are_running_or_waiting(ids):
    states = {one["consumer"]: (one["state"], one["pending"]) for one in found("consumers")["consumers"]}
    assert states == {"one": ("running", 1), "~retry": ("waiting", 1)}
    assert found("consumers", "orders", "billing")["consumers"][0]["stream"] == "orders"


def test_pending_entries_say_why_they_wait(ids):
    document = found("pending", "orders", "billing", "--state", "waiting")
    (one,) = document["pending"]
    assert (one["id"], one["error"], one["handlers"], one["consumer"]) == (ids[1], FAILURE["error"], ["invoice"], None)
    assert one["payload"]["obj_type"] == "shop.order"
    assert document["page"] == {"total": 2, "after": None}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--consumer", "one"), 1),
        (("--error", "valueerror"), 1),
        (("--min-idle", "5m"), 0),
        (("--min-deliveries", "1"), 2),
        (("--since", "1h"), 2),
        (("--until", "1h"), 0),
        (("--requeued",), 0),
        (("--limit", "1"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_pending_entries_are_filtered(ids, arguments, count):
    assert len(found("pending", "orders", "billing", *arguments)["pending"]) == count


def test_a_page_says_where_the_next_one_begins(ids):
    ran = streams("pending", "orders", "billing", "--limit", "1")
    assert ran.out.endswith(f"\n\n1 of 2 pending; more with --after {ids[0]}\n")
    (one,) = found("pending", "orders", "billing", "--after", ids[0])["pending"]
    assert one["id"] == ids[1]


def test_entries_are_newest_first_and_as_a_group_sees_them(ids):
    document = found("entries", "orders", "--as", "billing")
    assert [one["id"] for one in document["entries"]] == ids[::-1]
    assert [one["delivery"] for one in document["entries"]] == ["unread"] * 4 + ["pending"] * 2


@pytest.mark.parametrize(
    ("option", "at", "expected"),
    [("--before", 2, [1, 0]), ("--after", 3, [4, 5]), ("--at", 3, [3, 4, 5])],
    ids=["before", "after", "at"],
)
def test_entries_begin_where_one_says(ids, option, at, expected):
    document = found("entries", "orders", option, ids[at])
    assert [one["id"] for one in document["entries"]] == [ids[number] for number in expected]


def test_entries_are_found_by_what_they_contain(ids):
    (one,) = found("entries", "orders", "--contains", '"obj_id":3')["entries"]
    assert (one["id"], one["object"], one["event"]) == (ids[3], "3", "shop.order create")


def test_one_entry_has_its_status_in_every_group(ids, server):
    server.xgroup_create(KEYS.stream, "search", "$")
    document = found("show", "orders", "--id", ids[1])
    assert document["entry"]["payload"]["obj_id"] == 1
    assert [(one["group"], one["delivery"]) for one in document["groups"]] == [
        ("billing", "pending"),
        ("search", "done"),
    ]
    assert document["groups"][0]["pending"]["traceback"] == FAILURE["traceback"]
    assert '\n  "obj_type": "shop.order",\n' in streams("show", "orders", "--id", ids[1]).out


def test_one_dead_letter_has_its_traceback(ids, server):
    letter = server.xrange(KEYS.dead)[0][0].decode()
    ran = streams("show", "orders", "billing", "--id", letter, "--dead")
    assert ran.out.endswith("\n\nTraceback\nValueError: no such customer\n")
    assert found("show", "orders", "billing", "--id", letter, "--dead")["letter"]["deliveries"] == 8


VERBS = [
    ("groups",),
    ("consumers",),
    ("pending", "orders", "billing"),
    ("letters", "orders", "billing"),
    ("entries", "orders"),
    ("show", "orders", "--id", "first"),
    ("audit",),
]


@pytest.mark.parametrize("width", [100, 60])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_no_line_is_wider_than_the_terminal(ids, monkeypatch, verb, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    words = [ids[0] if word == "first" else word for word in verb]
    ran = streams(*words, "--no-color", stdout=Terminal())
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= width


def test_a_terminal_does_not_obey_a_payload(server, registry):
    entry = server.xadd(KEYS.stream, {"payload": "\x1b[2Jgone"}).decode()
    for verb in (("show", "orders", "--id", entry), ("entries", "orders"), ("tail", "orders", "--limit", "1")):
        assert "\x1b" not in streams(*verb).out


def test_dead_letters_are_newest_first_and_filtered(ids):
    document = found("letters", "orders", "billing")
    assert [one["error"] for one in document["letters"]] == ["TimeoutError: late", "ValueError: no such customer"]
    assert document["letters"][0]["died_at"] == "2026-08-22T09:10:00Z"
    assert len(found("letters", "orders", "billing", "--error", "ValueError")["letters"]) == 1
    assert found("letters", "orders", "billing", "--reason", "rejected")["letters"] == []


def test_facets_count_the_classes_of_errors(ids):
    document = found("letters", "orders", "billing", "--facets")
    assert document == {
        "errors": [{"error": "TimeoutError", "letters": 1}, {"error": "ValueError", "letters": 1}],
        "page": {"complete": True},
    }


def test_letters_of_a_group_that_is_gone_are_still_found(ids, server, registry, monkeypatch):
    monkeypatch.setattr(registry, "_handlers", {})
    server.xgroup_destroy(KEYS.stream, "billing")
    assert len(found("letters", "orders", "billing")["letters"]) == 2


def test_tail_begins_with_the_last_entries_and_ends_at_its_limit(ids):
    ran = streams("tail", "orders", "--last", "2", "--limit", "2", "--format", "ndjson")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ids[-2:]


def test_tail_begins_where_one_says(ids):
    ran = streams("tail", "orders", "--from", ids[2], "--contains", '"obj_id":4', "--limit", "1", "--format", "plain")
    assert ran.out.split("\t")[0] == ids[4]


def test_tail_finds_new_entries_by_what_they_contain_as_entries_does(ids):
    ran = streams("tail", "orders", "--from", ids[0], "--contains", "SHOP.Order", "--limit", "1", "--format", "plain")
    assert ran.out.split("\t")[0] == ids[0]


@pytest.mark.parametrize(
    ("arguments", "breached"),
    [
        ((), []),
        (("--max-lag", "4"), []),
        (("--max-lag", "3"), ["lag"]),
        (("--max-dead", "1", "--max-lag-time", "1h"), ["dead"]),
        (("--max-lag-time", "0"), ["lag_time"]),
        (("--max-idle", "10m"), []),
        (("--max-idle", "0", "--max-dead", "0"), ["idle", "dead"]),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else "",
)
def test_check_exits_4_with_a_line_for_each_limit_that_is_exceeded(ids, arguments, breached):
    ran = streams("check", *arguments, "--format", "json")
    assert [one["check"] for one in ran.document["breaches"]] == breached
    assert (ran.code, ran.document["checked"]["ok"]) == ((4, False) if breached else (0, True))


def test_check_says_what_it_found_in_one_line_each(ids):
    assert streams("check", "--max-lag", "3", "--max-dead", "0").out.splitlines() == [
        "orders/billing is 4 behind, more than 3.",
        "orders/billing has 2 dead letters, more than 0.",
    ]


def test_check_counts_what_it_says(ids, server):
    assert streams("check", "orders", "billing", "--max-dead", "9").out == "1 group is within its limits.\n"
    assert streams("check", "orders", "billing", "--max-lag", "0").err.endswith("1 limit is exceeded.")


def test_a_reason_that_there_is_not_is_refused(ids):
    ran = streams("letters", "orders", "billing", "--reason", "failed")
    assert ran.code != 0
    assert "max_deliveries" in ran.err


def test_without_limits_check_finds_groups_that_stand_still(ids, server):
    server.zadd(KEYS.consumers, {"one": (time.time() - 600) * 1000})
    ran = streams("check", "orders", "billing")
    assert (ran.code, ran.out) == (4, "orders/billing is stalled.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("groups", "ordres"), "There is no stream 'ordres'. Did you mean 'orders'? Known: "),
        (("pending", "orders", "biling"), "no group 'biling'. Did you mean 'billing'? Known: billing."),
        (("show", "orders", "--id", "1-0"), "has no entry 1-0; it may have been trimmed"),
        (("show", "orders", "billing", "--id", "1-0", "--dead"), "has no dead letter 1-0"),
        (("show", "orders", "--id", "1-0", "--dead"), "give STREAM GROUP with --dead"),
        (("groups", "--sort", "lagg"), "no column 'lagg'. Did you mean lag"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_said_with_the_closest_that_is(ids, arguments, said):
    ran = streams(*arguments)
    assert ran.code == 2
    assert said in ran.err


def test_a_stream_that_nobody_declares_is_looked_at_if_it_is_there(server, registry):
    server.xadd("t:foreign", {"a": "1"})
    (one,) = found("entries", "foreign")["entries"]
    assert (one["headers"], one["payload"]) == ({"a": "1"}, None)
    assert not found("status", "foreign")["streams"][0]["declared"]


def test_a_key_that_holds_no_stream_is_said_so(server, registry):
    server.set("t:orders", "1")
    ran = streams("entries", "orders")
    assert ran.code == 2
    assert "'orders' cannot be looked at: " in ran.err
    assert found("status", "orders")["streams"][0]["health"] == "broken"


def test_where_redis_is_away_the_exit_code_is_69(settings, registry):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "URL": "redis://ana:secret@127.0.0.1:1/0"}
    registry.register(handle, stream="orders", group="billing")
    for arguments in (("status",), ("ack", "orders", "billing", "--all", "--yes"), ("tail", "orders"), ("check",)):
        ran = streams(*arguments)
        assert ran.code == 69
        assert ran.err.startswith("Redis at redis://127.0.0.1:1/0 cannot be reached: ")


def test_a_wrong_setting_exits_78(settings):
    settings.STREAM_EVENTS = {"URL": "nonsense://"}
    assert streams("groups").code == 78


@pytest.fixture
def history(settings, monkeypatch):
    """Lets this process sample, whenever it has done so before."""
    monkeypatch.setattr("stream_events.operations.history._asked", None)
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}


def test_a_sample_is_taken(ids, history):
    assert found("sample") == {"sample": {"taken": True}}


def test_where_history_is_off_nothing_is_sampled(ids):
    assert streams("sample").out.startswith("Nothing was sampled: ")


@pytest.mark.django_db
def test_roles_are_made_once_and_get_what_they_lack():
    made = found("createroles")["roles"]
    assert [(one["role"], one["made"]) for one in made] == [
        ("Stream viewer", True),
        ("Stream operator", True),
        ("Stream admin", True),
    ]
    operator = Group.objects.get(name="Stream operator")
    operator.permissions.remove(Permission.objects.get(codename="ack_pendingentry"))
    again = {one["role"]: (one["made"], one["added"]) for one in found("createroles")["roles"]}
    assert again == {
        "Stream viewer": (False, []),
        "Stream operator": (False, ["ack_pendingentry"]),
        "Stream admin": (False, []),
    }


@pytest.mark.django_db
def test_the_admin_of_streams_has_every_permission_of_theirs():
    streams("createroles")
    known = Permission.objects.filter(content_type__app_label="stream_events")
    has = Group.objects.get(name="Stream admin").permissions
    assert set(has.values_list("codename")) == set(known.values_list("codename"))


@pytest.mark.parametrize(
    ("text", "first", "last", "before"),
    [
        ("5-3", "5-3", "5-3", "5-2"),
        ("5-0", "5-0", "5-0", "4-18446744073709551615"),
        ("0-0", "0-0", "0-0", "0-0"),
        (
            "1767225600000",
            "1767225600000-0",
            "1767225600000-18446744073709551615",
            "1767225599999-18446744073709551615",
        ),
        ("2026-01-01T00:00Z", "1767225600000-0", "1767225600000-18446744073709551615", None),
    ],
)
def test_a_place_is_an_id_or_a_time(text, first, last, before):
    assert (first_id(text), last_id(text)) == (first, last)
    assert before is None or id_before(text) == before


@pytest.mark.parametrize("option", ["--since", "--until", "--after"])
def test_what_is_no_place_is_an_error_of_usage(option, registry):
    with pytest.raises(CommandError, match=r"no time; write|no id; ids look like"):
        call_command("streams", "pending", "orders", "billing", option, "soon", stdout=io.StringIO())


def test_an_id_may_leave_out_its_second_part():
    assert entry_id("1767225600000") == "1767225600000-0"


def test_streams_that_nobody_declares_are_discovered(ids, server):
    server.xadd("t:foreign", {"a": "1"})
    assert "foreign" not in {one["stream"] for one in found("status")["streams"]}
    names = [one["stream"] for one in found("status", "--discover")["streams"]]
    assert names.count("foreign") == names.count("orders") == 1


def test_a_dead_letter_tells_when_it_was_requeued(ids, server):
    past = [{"at": "2026-08-21T08:00:00+00:00", "by": "ana", "error": "ValueError: no"}]
    letter = server.xadd(KEYS.dead, {"payload": "{}", "dead_reason": "failed", "requeued_history": json.dumps(past)})
    words = ("show", "orders", "billing", "--dead", "--id", letter.decode())
    assert found(*words)["letter"]["requeues"] == [
        {"at": "2026-08-21T08:00:00Z", "by": "ana", "error": "ValueError: no"}
    ]
    assert "Requeued 2026-08-21 08:00:00 by ana, after ValueError: no" in streams(*words, "--utc").out


def test_groups_say_how_many_entries_they_handle_a_minute(ids, server, history):
    now = datetime.now(UTC)
    take_sample(now - timedelta(minutes=2))
    server.xreadgroup("billing", "one", {KEYS.stream: ">"})
    server.xack(KEYS.stream, "billing", *ids)
    take_sample(now - timedelta(minutes=1))
    (group,) = found("groups", "orders")["groups"]
    assert group["handled_per_min"] == pytest.approx(6)


def test_an_entry_tells_that_its_dead_letter_was_requeued(ids, server):
    server.xack(KEYS.stream, "billing", ids[0])
    server.xadd(KEYS.dead, {"payload": "{}", "dead_reason": "failed", "dead_handler": "", "dead_entry_id": ids[0]})
    letter = server.xrevrange(KEYS.dead, count=1)[0][0].decode()
    assert streams("requeue", "orders", "billing", "--id", letter, "--yes").code == 0
    (status,) = found("show", "orders", "billing", "--id", ids[0])["groups"]
    assert (status["dead_letter"], status["requeued"]) == (None, server.xrange(KEYS.requeue)[0][0].decode())
