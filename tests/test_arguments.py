"""Values of options: lengths of time, and times."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from stream_events.arguments import moment, pace, span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("250ms", 0.25),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1w", 604800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("P1D", 86400),
        ("PT5M", 300),
        ("P1DT2H3M4.5S", 93784.5),
        ("P2W", 1209600),
    ],
)
def test_a_span_has_a_unit_or_is_in_seconds(text, seconds):
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5 m", "m", "5y", "P", "PT", "-5m", "P1H", "9" * 400, "9" * 30 + "d"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="no length of time, such as"):
        span(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-22T09:10:00+02:00", datetime(2026, 8, 22, 7, 10, tzinfo=UTC)),
        ("2026-08-22 09:10Z", datetime(2026, 8, 22, 9, 10, tzinfo=UTC)),
        ("2026-08-22T09:10", datetime(2026, 8, 22, 9, 10).astimezone(UTC)),
        ("2026-08-22", datetime(2026, 8, 22).astimezone(UTC)),
    ],
)
def test_a_moment_is_iso_8601_and_local_without_a_zone(text, expected):
    assert moment(text) == expected


@pytest.mark.parametrize(("text", "ago"), [("now", 0), ("2h", 7200), ("PT5M", 300)])
def test_a_moment_may_be_so_long_ago(text, ago):
    before = datetime.now(UTC)
    found = moment(text) + timedelta(seconds=ago)
    assert before <= found <= datetime.now(UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "12", "2026-13-01", "999999w"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="no time; write"):
        moment(text)


@pytest.mark.parametrize(("text", "number"), [("500/s", 500), ("0.5", 0.5)])
def test_a_pace_may_say_that_it_is_a_second(text, number):
    assert pace(text) == number
