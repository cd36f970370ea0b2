"""What becomes of what a verb has found: columns, order and formats."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management.base import OutputWrapper

from stream_events.exceptions import SelectionError
from stream_events.management.streams.display import clock, due, event, iso, length, number, preview
from stream_events.management.streams.output import Choice, Output, Section
from tests.management.operating import Terminal

GROUPS = Section(
    "groups",
    [
        {"group": "billing", "lag": 1204, "in_per_min": 2.5, "dead": 3},
        {"group": "search", "lag": 7, "in_per_min": None, "dead": 0},
        {"group": "crm", "lag": None, "in_per_min": 10.0, "dead": 0},
    ],
    [
        {"GROUP": "billing", "LAG": "1,204", "IN/MIN": "2", "DEAD": "3"},
        {"GROUP": "search", "LAG": "7", "IN/MIN": "", "DEAD": "0"},
        {"GROUP": "crm", "LAG": "unknown", "IN/MIN": "10", "DEAD": "0"},
    ],
    numbers=frozenset({"LAG", "IN/MIN"}),
    hidden=frozenset({"DEAD"}),
)


def written(*sections, stdout=None, **options):
    file = stdout or io.StringIO()
    assert Output(OutputWrapper(file), OutputWrapper(io.StringIO()), **options).write(*sections or [GROUPS])
    return file.getvalue()


def test_numbers_stand_at_the_right():
    assert written().splitlines() == [
        "GROUP        LAG  IN/MIN",
        "billing    1,204       2",
        "search         7",
        "crm      unknown      10",
    ]


def test_plain_numbers_are_those_of_json_and_unknown_ones_are_empty():
    assert written(format="plain") == "billing\t1204\t2.5\nsearch\t7\t\ncrm\t\t10.0\n"


@pytest.mark.parametrize(
    ("sort", "reverse", "expected"),
    [
        ("lag", False, ["search", "billing", "crm"]),
        ("LAG", True, ["billing", "search", "crm"]),
        ("in/min", False, ["billing", "crm", "search"]),
        ("in_per_min", True, ["crm", "billing", "search"]),
        ("group", False, ["billing", "crm", "search"]),
    ],
)
def test_rows_are_sorted_by_what_a_column_means_and_unknown_ones_come_last(sort, reverse, expected):
    choice = Choice(sort=sort, reverse=reverse)
    assert [line.split("\t")[0] for line in written(format="plain", choice=choice).splitlines()] == expected
    assert [one["group"] for one in json.loads(written(format="json", choice=choice))["groups"]] == expected


@pytest.mark.parametrize("columns", [("dead", "group"), ("DEAD", "GROUP")], ids=["keys", "titles"])
def test_columns_are_chosen_by_title_or_key_hidden_ones_as_well(columns):
    choice = Choice(columns=columns, limit=1)
    assert written(choice=choice).splitlines() == ["DEAD  GROUP", "3     billing"]
    assert json.loads(written(format="json", choice=choice)) == {"groups": [{"dead": 3, "group": "billing"}]}


@pytest.mark.parametrize("choice", [Choice(columns=("group", "lagg")), Choice(sort="lagg")], ids=["columns", "sort"])
def test_an_unknown_column_is_answered_with_the_closest(choice):
    with pytest.raises(SelectionError, match="no column 'lagg'\\. Did you mean lag"):
        written(choice=choice)


def test_nothing_found_has_no_columns_to_be_wrong_about():
    assert written(Section("groups", []), choice=Choice(columns=("lag",), sort="lag")) == ""


def test_the_limit_is_on_the_first_section_only():
    other = Section("others", [{"n": 1}, {"n": 2}], [{"N": "1"}, {"N": "2"}])
    document = json.loads(written(GROUPS, other, format="json", choice=Choice(limit=1)))
    assert [len(one) for one in document.values()] == [1, 2]


def test_one_record_is_an_object_in_json_and_a_line_in_ndjson():
    page = Section("page", {"total": 3})
    assert json.loads(written(GROUPS, page, format="json"))["page"] == {"total": 3}
    assert json.loads(written(GROUPS, page, format="ndjson").splitlines()[-1]) == {"section": "page", "total": 3}


@pytest.mark.parametrize(("width", "first"), [("60", "GROUP        LAG  IN/MIN"), ("20", "GROUP   billing")])
def test_where_a_table_is_too_wide_rows_stand_below_each_other(monkeypatch, width, first):
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")
    assert written(stdout=Terminal(), color=False).splitlines()[0].rstrip() == first


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.44, "0.4s"),
        (1, "1s"),
        (9.99, "10s"),
        (59, "59s"),
        (190, "3m 10s"),
        (724, "12m 04s"),
        (7500, "2h 05m"),
        (300, "5m"),
        (273600, "3d 04h"),
    ],
)
def test_a_length_of_time_has_two_units(seconds, text):
    assert length(timedelta(seconds=seconds)) == text


def test_times_are_local_for_people_and_utc_for_programs(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    noon = datetime(2026, 8, 22, 12, 0, 1, 500000, tzinfo=UTC)
    assert clock(noon, utc=False) == "2026-08-22 14:00:01"
    assert clock(noon, utc=True) == "2026-08-22 12:00:01"
    assert iso(noon) == "2026-08-22T12:00:01.500000Z"


def test_what_nobody_knows_is_said_so():
    assert (number(None), number(1204), length(None), clock(None, utc=True), iso(None)) == (
        "unknown",
        "1,204",
        "",
        "",
        None,
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({b"payload": b'{"obj_type": "shop.order", "action": "create"}'}, "shop.order create"),
        ({b"payload": b"\xff"}, ""),
        ({b"other": b"1"}, ""),
        (None, ""),
    ],
    ids=["event", "undecodable", "no payload", "deleted"],
)
def test_an_event_is_named_by_type_and_action(fields, said):
    assert event(fields) == said


def test_payloads_are_cut_in_tables():
    assert len(preview({b"payload": b"x" * 500})) == 80

    assert preview({b"a": b"1", b"b": b"\xff"}) == "a=1 b=�"


def test_a_due_time_is_ahead_or_past():
    now = datetime.now(UTC)
    assert (due(now + timedelta(hours=2, seconds=30)), due(now - timedelta(seconds=90)), due(None)) == (
        "in 2h",
        "1m 30s ago",
        "",
    )


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("elastic", ["ID  ERROR", "1   ValueError: no such customer: A…"]),
        ("folded", ["ID  ERROR", "1   ValueError: no such customer:", "    Ada Lovelace"]),
    ],
)
def test_long_cells_are_cut_or_folded_where_a_terminal_is_narrow(monkeypatch, kind, lines):
    monkeypatch.setenv("COLUMNS", "36")
    monkeypatch.setenv("TERM", "xterm")
    row = {"ID": "1", "ERROR": "ValueError: no such customer: Ada Lovelace"}
    text = written(Section("errors", [], [row], **{kind: frozenset({"ERROR"})}), stdout=Terminal(), color=False)
    assert [line.rstrip() for line in text.splitlines()] == lines
    assert written(Section("errors", [], [row])).splitlines()[1] == "1   ValueError: no such customer: Ada Lovelace"


def test_a_terminal_without_rich_gets_the_plain_table(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert written(stdout=Terminal()) == written()
