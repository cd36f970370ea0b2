"""History as lines."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

import stream_events
from stream_events.admin.charts import chart, sparkline
from stream_events.operations.samples import Sample, write
from stream_events.templatetags.stream_events_live import refresh_choices
from tests.conftest import wait_for

VENDOR = Path(stream_events.__file__).parent / "static/stream_events/vendor"
SUMS = {
    "uPlot-1.6.32.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot-LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


@pytest.fixture(autouse=True)
def _kept(settings):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": True}}


@pytest.fixture
def history(server):
    """Ten minutes in which 6 entries a minute came, 3 of them were handled, and one minute is not known."""
    wait_for(lambda: server.time()[0] % 60 < 50, "the next minute")
    seconds = server.time()[0]
    pipeline = server.pipeline(transaction=False)
    for minute in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10):
        at = datetime.fromtimestamp(seconds, tz=UTC) - timedelta(minutes=10 - minute)
        write(pipeline, ("orders", ""), Sample(at=at, length=60, added=6 * minute), "t:")
        sample = Sample(at=at, read=5 * minute, pending=2 * minute, lag=minute, dead=0)
        write(pipeline, ("orders", "billing"), sample, "t:")
    pipeline.execute()


def ask(query=""):
    return RequestFactory().get(f"/{query}")


def draw(query="", groups=("billing",)):
    request = ask(query)
    return render_to_string("admin/stream_events/chart.html", {"chart": chart(request, "orders", groups)}, request)


def points(svg):
    return re.findall(r'points="([^"]*)"', svg)


def test_a_sparkline_goes_from_the_first_value_to_the_last():
    assert points(sparkline([0, 5, 10], "Lag")) == ["0.0,20.0 40.0,10.0 80.0,0.0"]


def test_a_sparkline_is_broken_where_nothing_is_known_and_a_lonely_value_is_a_dot():
    assert points(sparkline([0, 10, None, 10, None], "Lag")) == ["0.0,20.0 20.0,0.0", "60.0,0.0 60.0,0.0"]


@pytest.mark.parametrize("values", [[0], [0, 0, 0], [1e12, 0.5]], ids=str)
def test_a_sparkline_stays_within_its_frame(values):
    places = [float(number) for line in points(sparkline(values, "Lag")) for number in re.split("[ ,]", line)]
    assert all(0 <= place <= 80 for place in places)


def test_a_sparkline_says_what_it_shows():
    assert "Lag: 1,200 now, 4,000 at most in the last hour</span>" in sparkline([4000, 2.5, 1200], "Lag")
    assert "no history yet" in sparkline([None, None], "Lag")


def test_what_a_sparkline_is_of_is_text():
    assert "<script>" not in sparkline([1], "<script>") + sparkline([], "<script>")


def test_a_chart_has_what_came_in_what_was_handled_lag_and_pending(history):
    data = chart(ask(), "orders", ["billing"])["data"]
    rates, lag, pending = (panel["lines"] for panel in data["panels"])
    assert [line["values"][-5:] for line in rates] == [[6] * 5, [3] * 5]
    assert rates[0]["values"][-6] is None
    assert lag[0]["values"][-2:] == [9, 10]
    assert pending[0]["values"][-2:] == [18, 20]
    assert data["legend"] == ["added", "billing"]


def test_the_time_is_chosen_in_the_url(history):
    assert len(chart(ask("?span=24h"), "orders", [])["data"]["panels"][0]["lines"][0]["values"]) == 1440
    assert len(chart(ask("?span=7d"), "orders", [])["data"]["panels"][0]["lines"][0]["values"]) == 1008
    assert len(chart(ask("?span=nonsense"), "orders", [])["data"]["panels"][0]["lines"][0]["values"]) == 60


def test_the_same_is_there_as_lines_and_as_a_table(history):
    page = draw()
    assert page.count("<svg") == 3
    assert page.count('<th scope="row"><time datetime="') == 10
    assert "<td>6</td><td>3</td><td>10</td><td>20</td>" in page
    assert '<a href="?span=7d">' in page


def test_a_long_time_has_a_table_of_bearable_length_with_the_mean_of_its_rates(history):
    rows = chart(ask("?span=24h"), "orders", ["billing"])["table"]
    assert len(rows) in (1, 2)
    assert rows[0][1] == ["6", "3", "10", "20"]


def test_no_history_is_no_error(server, settings):
    assert "There is no history of this time" in draw()
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "METRICS": {"ENABLED": False}}
    assert "No history is kept" in draw()


def test_what_groups_are_called_is_text(server, history):
    assert "<script>alert" not in draw(groups=["billing", "</script><script>alert(1)</script>"])


def test_nothing_is_written_into_the_page_that_a_strict_policy_forbids(history):
    page = draw()
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))|\sstyle=|\son\w+=", page) == []


@pytest.mark.parametrize(("floor", "expected"), [(5.0, [5, 15, 60]), (10, [15, 60]), (90, [90]), (7.5, [15, 60])])
def test_no_refresh_comes_sooner_than_the_setting_allows(settings, floor, expected):
    settings.STREAM_EVENTS = {**settings.STREAM_EVENTS, "ADMIN": {"MIN_REFRESH": floor}}
    choices = refresh_choices()
    assert [seconds for seconds, _is_usual in choices] == expected
    assert [seconds for seconds, is_usual in choices if is_usual] == [15 if 15 in expected else expected[0]]


@pytest.mark.parametrize("name", SUMS)
def test_files_of_others_are_what_their_authors_published(name):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == SUMS[name]
