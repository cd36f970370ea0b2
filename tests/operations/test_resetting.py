"""Moving a group."""

from datetime import UTC, datetime

import pytest

from stream_events.exceptions import ConfigurationError
from stream_events.operations.plans import Level, plan
from tests.operations.acting import KEY, KEYS, do, let_live, make_group, order, publish, read, reasons


@pytest.fixture
def group(server, registry):
    """A group that has read 6 of 10 entries and acknowledged 4 of these."""
    ids = publish(10)
    make_group(server)
    read(server, count=6)
    server.xack(KEY, "billing", *ids[:4])
    return ids


def state(server):
    (found,) = server.xinfo_groups(KEY)
    return found["last-delivered-id"].decode(), found["pending"], found["lag"]


def reset(to, **options):
    return do("reset", to=to, **options)


@pytest.mark.parametrize("to", ["0", "earliest", "0-0", "1970-01-01"])
def test_to_the_start_everything_is_handled_again(server, group, to):
    found = plan(order("reset", to=to))
    assert found.changes == (
        ("Last delivered", group[5], "0-0"),
        ("Unread", "4", "10"),
        ("Pending", "2", "2"),
    )
    assert found.consequence == "6 entries are handled again, those included that are dead letters."
    assert (found.count, found.level, found.name) == (6, Level.TYPE_NAME, "billing")
    assert reset(to).report() == "1 group moved"
    assert state(server) == ("0-0", 2, 10)


@pytest.mark.parametrize("to", ["$", "latest", "2999-01-01T00:00:00+01:00"])
def test_to_the_end_what_is_unread_is_skipped(server, group, to):
    found = plan(order("reset", to=to))
    assert found.consequence == "4 entries are skipped: this group will never handle them."
    assert reset(to).done == 1
    assert state(server) == (group[-1], 2, 0)


def test_what_comes_between_plan_and_reset_is_not_skipped(server, group):
    frozen = plan(order("reset", to="$")).order
    assert frozen.options["to"] == group[-1]


def test_after_an_entry_the_lag_is_known(server, group):
    reset(group[2])
    assert state(server) == (group[2], 2, 7)
    assert read(server, count=100) == group[3:]


def test_to_a_time_what_was_added_then_is_handled_again(server, registry):
    for second in range(5):
        server.xadd(KEY, {"payload": "{}"}, id=f"{1700000000 + second}000-0")
    make_group(server)
    read(server)
    moment = datetime.fromtimestamp(1700000003, tz=UTC)
    assert plan(order("reset", to=moment.isoformat())).count == 2
    reset(moment.isoformat())
    assert read(server) == ["1700000003000-0", "1700000004000-0"]


def test_the_mark_goes_along(server, group):
    server.set(KEYS.cursor, group[5])
    reset("0")
    assert server.get(KEYS.cursor) in (b"0-0", group[3].encode())


def test_refuses_while_consumers_run(server, group):
    let_live(server)
    found = plan(order("reset", to="0"))
    assert found.refusal == "1 consumer runs. Stop it first, or move the group even so (--force)."
    progress = reset("0")
    assert (progress.done, reasons(progress)) == (0, {"orders/billing": found.refusal})
    forced = plan(order("reset", to="0", force="yes"))
    assert forced.refusal == ""
    assert any("in hand" in warning for warning in forced.warnings)
    assert reset("0", force="yes").done == 1


def test_refuses_a_group_that_an_operator_has_deleted(server, group):
    server.set(KEYS.cursor, "deleted")
    assert "An operator has deleted" in plan(order("reset", to="0")).refusal


def test_refuses_a_group_that_is_not_there(server, registry):
    publish(1)
    assert "There is no such group" in plan(order("reset", to="0")).refusal
    server.delete(KEY)
    assert "There is no such group" in plan(order("reset", to="0")).refusal
    server.set(KEY, "x")
    assert plan(order("reset", to="0")).refusal == "The key holds a string, not a stream."


def test_a_second_time_changes_nothing(server, group):
    progress = reset(group[2])
    before = server.xinfo_groups(KEY)
    assert progress.done == reset(group[2]).done == 1
    assert server.xinfo_groups(KEY) == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "reset needs the option 'to'"),
        ({"to": "yesterday"}, "Write an entry id such as"),
        ({"to": "0", "force": "maybe"}, "write 'yes'"),
        ({"to": "0", "forc": "yes"}, "Did you mean 'force'"),
    ],
    ids=str,
)
def test_says_what_to_write(server, options, text):
    with pytest.raises(ConfigurationError, match=text):
        plan(order("reset", **options))


def test_takes_no_entries(server):
    with pytest.raises(ConfigurationError, match="reset takes no entries"):
        plan(order("reset", ["1-1"], to="0"))
