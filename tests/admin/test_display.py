"""How numbers and times look on the pages."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from stream_events.admin.display import duration, exact_moment, moment, number, readable_json


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (timedelta(), "0 s"),
        (timedelta(milliseconds=900), "0 s"),
        (timedelta(seconds=72), "1 min 12 s"),
        (timedelta(minutes=15), "15 min"),
        (timedelta(hours=2, seconds=5), "2 h"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
    ],
)
def test_durations_have_their_two_largest_units(value, shown):
    assert duration(value) == shown


def test_a_moment_is_an_age_with_the_exact_time_behind_it():
    value = timezone.now() - timedelta(minutes=2)
    assert "2 min ago</time>" in moment(value)
    assert f'datetime="{value.isoformat()}"' in moment(value)


def test_a_moment_to_come_is_shown_exactly():
    assert "ago" not in moment(timezone.now() + timedelta(days=1))


def test_a_time_is_local_and_has_its_seconds(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    assert exact_moment(datetime(2026, 11, 29, 6, 43, 21, tzinfo=UTC)) == "Nov. 29, 2026, 07:43:21"


def test_a_moment_needs_no_time_zones_in_the_database(settings):
    settings.USE_TZ = False
    assert "2 min ago</time>" in moment(datetime.now(UTC) - timedelta(minutes=2))


def test_json_is_indented_and_anything_else_left_alone():
    assert "{\n  &quot;a&quot;: [\n    1\n  ]\n}" in readable_json('{"a":[1]}')
    assert "{a" in readable_json("{a")
    assert "[[[" in readable_json("[" * 100_000)


def test_json_that_is_too_long_for_a_page_is_cut():
    assert len(readable_json("x" * 100_000)) < 70_000


def test_numbers_are_grouped():
    assert number(1234567) == "1,234,567"
