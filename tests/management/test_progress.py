"""What is shown where no bar can be."""

import io

import pytest

from stream_events.management.progress import Lines, duration, showing


def test_a_line_says_how_far_it_is_and_how_long_it_will_take():
    file = io.StringIO()
    Lines(file, 2000, every=0).advance(1000)
    assert file.getvalue().startswith("1,000 of 2,000 (50%), ")
    assert file.getvalue().endswith(" a second, 0:00:00 left\n")


def test_a_file_gets_no_line_for_every_step():
    file = io.StringIO()
    with showing(file, 2000) as advance:
        for _ in range(1000):
            advance(2)
    assert file.getvalue() == ""


def test_nothing_done_is_nothing_to_say():
    file = io.StringIO()
    Lines(file, 0, every=0).advance(0)
    assert file.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (61.4, "0:01:01"), (36000, "10:00:00")])
def test_durations_are_hours_minutes_and_seconds(seconds, text):
    assert duration(seconds) == text


def test_a_total_may_be_unknown_and_become_known():
    file = io.StringIO()
    lines = Lines(file, None, every=0)
    lines.advance(1000, note="2 skipped")
    lines.advance(0, total=4000)
    first, second = file.getvalue().splitlines()
    assert first.startswith("1,000, ")
    assert first.endswith(" a second, 2 skipped")
    assert second.startswith("1,000 of 4,000 (25%), ")


def test_what_was_done_before_is_no_part_of_the_rate():
    file = io.StringIO()
    lines = Lines(file, 2000, every=0, done=1000)
    lines.advance(0)
    assert file.getvalue() == ""
    lines.advance(1000)
    assert file.getvalue().startswith("2,000 of 2,000 (100%), ")
