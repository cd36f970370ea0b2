"""How numbers and times look on the pages."""

from datetime import timedelta

import pytest
from django.utils import timezone

from stream_events.admin.display import duration, moment, number


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


def test_numbers_are_grouped():
    assert number(1234567) == "1,234,567"
