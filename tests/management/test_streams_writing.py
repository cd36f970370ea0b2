"""The verbs that change something: plan, refusal, dry run, result, and going on."""

import json

import pytest

from stream_events import StreamPublisher
from stream_events.keys import group_keys
from stream_events.management.streams.performing import Performing, operator, resumed, token
from stream_events.operations import plans
from stream_events.operations.plans import Order, Progress, Verb
from tests.management.operating import streams

KEYS = group_keys("orders", "billing", "t:")


@pytest.fixture
def pending(server, registry):
    """The ids of three entries in the hand of a consumer."""
    ids = StreamPublisher("orders").batch_add([{"obj_id": number} for number in range(3)])[0]
    server.xgroup_create(KEYS.stream, "billing", "0")
    server.xreadgroup("billing", "one", {KEYS.stream: ">"})
    return ids


@pytest.fixture
def letters(server, pending):
    """The ids of thirty dead letters, every other one because of a ValueError."""
    fields = {"payload": "{}", "dead_reason": "failed", "dead_traceback": "", "dead_handler": "invoice"}
    errors = ["ValueError: no", "TimeoutError: late"]
    return [
        server.xadd(KEYS.dead, {**fields, "dead_error": errors[number % 2], "dead_entry_id": f"{number}-0"}).decode()
        for number in range(30)
    ]


def held(server):
    return server.xpending(KEYS.stream, "billing")["pending"]


def test_a_dry_run_shows_the_plan_and_changes_nothing(server, pending):
    ran = streams("ack", "orders", "billing", "--id", pending[0], "--dry-run")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("Plan  Acknowledge 1 entry of orders/billing.\n      ")
    assert ran.err.endswith("Dry run: nothing was changed.\n")
    assert held(server) == 3


def test_without_a_terminal_and_yes_nothing_is_done(server, pending):
    ran = streams("ack", "orders", "billing", "--id", pending[0])
    assert ran.code == 2
    assert "Plan  Acknowledge 1 entry" in ran.err
    assert "no terminal to ask at. Add --yes to do it" in ran.err
    assert held(server) == 3


def test_yes_does_it_and_says_what_was_done(server, pending):
    ran = streams("ack", "orders", "billing", "--id", pending[0], "--id", pending[1], "--yes")
    assert (ran.code, ran.out) == (0, "2 acknowledged.\n")
    assert held(server) == 1


def test_json_has_result_reasons_and_plan_on_stdout_alone(server, pending):
    document = streams("ack", "orders", "billing", "--all", "--yes", "--format", "json").document
    result = document["result"]
    del result["seconds"]
    assert result == {
        "verb": "ack",
        "stream": "orders",
        "group": "billing",
        "done": 3,
        "skipped": 0,
        "scanned": 3,
        "complete": True,
        "lines": [],
        "resume": None,
    }
    assert document["skipped"] == []
    assert document["plan"]["verb"] == "ack"
    assert document["plan"]["command"].startswith("python manage.py streams ack orders billing --")


def test_a_dry_run_in_json_has_the_plan_alone(pending):
    document = streams("ack", "orders", "billing", "--all", "--dry-run", "--format", "json").document
    assert [*document] == ["plan"]


def test_what_was_skipped_is_told_and_makes_exit_code_3(server, pending):
    server.xack(KEYS.stream, "billing", pending[0])
    ran = streams("ack", "orders", "billing", "--id", pending[0], "--id", pending[1], "--yes")
    assert ran.code == 3
    assert ran.out == "1 acknowledged · 1 skipped.\n"
    assert ran.err.endswith(f"Skipped 1:\n  {pending[0]}: acknowledged already")


def test_of_many_that_were_skipped_the_first_twenty_are_told(server, pending):
    ids = [option for number in range(1, 25) for option in ("--id", f"{number}-0")]
    ran = streams("ack", "orders", "billing", *ids, "--yes")
    assert ran.code == 3
    assert ran.err.count("acknowledged already") >= 20
    assert ran.err.endswith("\n  and 4 more")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ack", "orders", "billing"), "Say which: ack takes --id, filters, or --all."),
        (("ack", "orders", "billing", "--id", "1-0", "--all"), "Give ids, or filters: not both."),
        (("ack", "orders", "billing", "--state", "waiting", "--all"), "leave it away with filters"),
        (("claim", "orders", "billing", "--all"), "claim needs --to-consumer NAME."),
        (("reset", "orders", "billing"), "reset needs --to PLACE."),
        (("ack", "orders", "biling", "--all"), "Did you mean 'billing'? Known: billing."),
        (("ack", "ordres", "billing", "--all"), "There is no stream 'ordres'."),
        (("ack", "or~ders", "billing", "--all"), "“~” is reserved"),
        (("ack", "orders", "a:b", "--all"), "has no colon"),
        (("requeue", "orders", "billing", "--resume", "nonsense"), "copy it whole"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_order_that_makes_no_sense_is_refused(server, pending, arguments, said):
    ran = streams(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert held(server) == 3


def test_a_refusal_exits_2_with_its_reason(server, pending, monkeypatch):
    def refuse(order):
        return plans.Plan(
            order=order,
            summary="Acknowledge.",
            consequence="",
            count=1,
            level=plans.Level.PLAIN,
            name="",
            permission="",
            command="",
            refusal="It cannot be.",
        )

    monkeypatch.setattr("stream_events.management.streams.writing.plan", refuse)
    ran = streams("ack", "orders", "billing", "--all", "--yes", "--format", "json")
    assert (ran.code, ran.document["plan"]["refusal"]) == (2, "It cannot be.")
    assert ran.err.endswith("It cannot be.")


def test_nothing_to_do_is_no_error(server, pending):
    ran = streams("discard", "orders", "billing", "--all", "--format", "json")
    assert ran.code == 0
    assert ran.document["result"]["done"] == 0
    assert ran.err.endswith("There is nothing to do.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("delete-consumer", "orders", "billing", "--consumer", "one"), "1 consumer deleted.\n"),
        (("delete-group", "orders", "billing"), "1 group deleted.\n"),
        (("delete-stream", "orders"), "1 stream deleted.\n"),
    ],
    ids=["consumer", "group", "stream"],
)
def test_what_holds_no_entries_is_deleted_too(server, pending, arguments, said):
    server.xack(KEYS.stream, "billing", *pending)
    server.xtrim(KEYS.stream, maxlen=0)
    ran = streams(*arguments, "--yes")
    assert (ran.code, ran.out) == (0, said)


def test_a_group_is_moved_although_no_entry_lies_between(server, pending):
    ran = streams("reset", "orders", "billing", "--to", "latest", "--yes")
    assert (ran.code, ran.out) == (0, "1 group moved.\n")


def test_a_limit_ends_it_early_and_resume_goes_on(server, letters):
    first = streams(
        "requeue", "orders", "billing", "--error", "ValueError", "--limit", "4", "--yes", "--format", "json"
    )
    assert (first.code, first.document["result"]["done"]) == (0, 4)
    assert "Stopped at --limit. Continue with:\n  manage.py streams requeue orders billing --resume " in first.err
    word = first.document["result"]["resume"]
    second = streams("requeue", "orders", "billing", "--resume", word, "--batch", "2", "--rate", "500/s", "--yes")
    assert (second.code, second.out) == (0, "15 requeued.\n")
    assert server.xlen(KEYS.requeue) == 15
    assert {fields[b"dead_error"] for _, fields in server.xrange(KEYS.dead)} == {b"TimeoutError: late"}


def test_progress_ends_at_its_total(server, letters):
    order = plans.plan(Order(verb=Verb.REQUEUE, stream="orders", group="billing", where={"error": "ValueError"})).order
    performing = Performing(Progress(order=order), limit=None, rate=None, batch=10)
    told = []
    performing.run(lambda count, total=None, note="": told.append((count, total)))
    assert len(told) > 1
    assert sum(count for count, _ in told) == told[-1][1] == performing.progress.scanned


def test_a_token_is_of_one_verb_stream_and_group(server, letters):
    ran = streams("requeue", "orders", "billing", "--all", "--limit", "1", "--yes", "--format", "json")
    word = ran.document["result"]["resume"]
    other = streams("discard", "orders", "billing", "--resume", word, "--yes")
    assert (other.code, other.err) == (2, "This --resume is of “streams requeue orders billing”.")
    more = streams("requeue", "orders", "billing", "--resume", word, "--error", "ValueError", "--yes")
    assert (more.code, more.err) == (2, "--resume brings its own ids, filters and options; leave them away.")
    assert server.xlen(KEYS.dead) == 29


def test_a_token_is_one_word_for_a_url():
    progress = Progress(order=Order(verb=Verb.ACK, stream="orders", group="billing", where={}), place="1-0", done=3)
    word = token(progress)
    assert word.replace("-", "").replace("_", "").isalnum()
    assert resumed(word) == progress


def test_the_operator_is_a_user_at_a_host(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    monkeypatch.setattr("socket.gethostname", lambda: "web-3")
    assert operator() == plans.Actor(name="ana@web-3", via="command line")


def test_a_user_without_a_name_has_a_number(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert operator().name.startswith("4711@")


def test_what_was_done_is_in_the_audit(server, letters):
    streams("requeue", "orders", "billing", "--error", "ValueError", "--yes")
    (act,) = streams("audit", "orders", "--format", "json").document["acts"]
    assert (act["verb"], act["via"], act["stream"], act["group"], act["done"]) == (
        "requeue",
        "command line",
        "orders",
        "billing",
        15,
    )
    assert act["actor"] == operator().name
    assert json.dumps(act["detail"]) != '""'


def test_system_checks_come_before_any_change(server, pending, settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "COUNT": 0}
    assert streams("ack", "orders", "billing", "--all", "--yes").code == 78
    assert held(server) == 3


@pytest.mark.parametrize("place", ["x", "-1", "1.5"])
def test_a_resume_that_begins_nowhere_is_refused(server, pending, place):
    order = plans.plan(
        Order(verb=Verb.ACK, stream="orders", group="billing", targets=(plans.Target(pending[0]),))
    ).order
    ran = streams("ack", "orders", "billing", "--resume", token(Progress(order=order, place=place)), "--yes")
    assert ran.code == 2
    assert f"Nothing of this order begins at '{place}'" in ran.err
    assert held(server) == 3


@pytest.mark.parametrize("option", ["--handler", "--event", "--error"])
def test_a_filter_with_bytes_that_are_no_text_matches_nothing(server, letters, option):
    assert streams("requeue", "orders", "billing", option, "\udcff", "--yes").out == "0 requeued.\n"
    assert streams("letters", "orders", "billing", option, "\udcff").out == "0 of 30 dead letters\n"
