"""Deleting the oldest entries."""

import pytest

from stream_events.exceptions import ConfigurationError
from stream_events.operations.acts import counting
from stream_events.operations.plans import Level, Limit, perform, plan
from tests.operations.acting import ANA, KEY, begin, do, finish, make_group, order, publish, read


def trim(**options):
    return order("trim", group="", **options)


@pytest.fixture
def groups(server, registry):
    """250 entries, of which billing has read 100 and holds all of these; search has read none."""
    ids = publish(250)
    make_group(server)
    make_group(server, "search")
    read(server, count=100)
    return ids


class TestPlan:
    @pytest.mark.parametrize("kept", [130, 248])
    def test_says_what_is_lost_to_whom(self, server, groups, kept):
        removed = 250 - kept
        options = {"maxlen": str(kept)}, {"before": groups[removed]}
        for some in options:
            found = plan(trim(**some))
            assert (found.count, found.level, found.name) == (removed, Level.TYPE_NAME, "orders")
            assert found.changes == (("Length", "250", str(kept)),)
            lost = [] if removed < 100 else ["billing has not read 20 of them, and never will."]
            assert list(found.warnings) == [
                *lost,
                f"{min(removed, 100)} of them are pending in billing, whose consumers report them as trimmed.",
                f"search has not read {removed} of them, and never will.",
            ]

    def test_freezes_the_place(self, server, groups):
        assert plan(trim(before="2999-01-01")).order.options["before"].endswith("-0")

    def test_a_stream_that_is_not_there_is_refused(self, server, registry):
        assert plan(trim(maxlen="1")).refusal == "There is no such stream."
        server.set(KEY, "x")
        assert plan(trim(maxlen="1")).refusal == "The key holds a string, not a stream."

    def test_where_counting_takes_too_long_it_says_at_least(self, server, groups, monkeypatch):
        monkeypatch.setattr(counting, "BUDGET", counting.Budget(rows=100, seconds=60))
        found = plan(trim(before=groups[240]))
        assert (found.count, found.summary) == (None, "Delete the ≥ 100 oldest entries of orders.")
        assert found.changes == (("Length", "250", "≤ 150"),)


@pytest.mark.parametrize("option", ["maxlen", "before"])
def test_trims_exactly(server, groups, option):
    progress = do("trim", group="", **{option: {"maxlen": "37", "before": groups[213]}[option]})
    assert progress.report() == "213 entries deleted"
    assert (server.xlen(KEY), server.xrange(KEY, count=1)[0][0].decode()) == (37, groups[213])
    assert do("trim", group="", maxlen="37").done == 0


def test_in_slices(server, registry):
    pipeline = server.pipeline()
    for _ in range(12_000):
        pipeline.xadd(KEY, {"a": "b"})
    pipeline.execute()
    progress = perform(begin("trim", group="", maxlen="10"), ANA, Limit(rows=1))
    assert 0 < progress.done <= 1000
    progress = finish(progress, limit=Limit(rows=1))
    assert (server.xlen(KEY), progress.done, progress.total) == (10, 11_990, 11_990)
    assert server.xlen("t:~audit") > 2


def test_a_slice_drops_far_more_than_it_could_look_at(server, registry):
    with server.pipeline() as pipeline:
        for _ in range(12_000):
            pipeline.xadd(KEY, {"a": "b"})
        pipeline.execute()
    assert perform(begin("trim", group="", maxlen="10"), ANA, Limit(rows=1000)).is_complete


def test_to_nothing(server, groups):
    assert len(plan(trim(maxlen="0")).warnings) == 3
    assert do("trim", group="", maxlen="0").done == 250
    assert server.xlen(KEY) == 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "either maxlen, or before"),
        ({"maxlen": "1", "before": "1-1"}, "either maxlen, or before"),
        ({"maxlen": "-1"}, "how many entries"),
        ({"maxlen": "x"}, "how many entries"),
        ({"before": "soon"}, "Write an entry id such as"),
        ({"maxlem": "1"}, "Did you mean 'maxlen'"),
    ],
    ids=str,
)
def test_says_what_to_write(server, options, text):
    with pytest.raises(ConfigurationError, match=text):
        plan(trim(**options))


def test_is_about_a_whole_stream(server):
    with pytest.raises(ConfigurationError, match="leave the group 'billing' away"):
        plan(order("trim", maxlen="1"))
