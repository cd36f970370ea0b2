"""What the dashboard keeps of a stream."""

import pytest

from demo_project.dashboard.board import LATEST, LONGEST_TEXT, Board
from stream_events import Event


@pytest.fixture
def board():
    return Board("orders")


def make_event(number, action="create", **payload):
    payload = {"obj_id": number, "obj_type": "shop.order", "action": action, **payload}
    return Event(stream="orders", group="", entry_id=f"{number}-0", payload=payload)


def add(board, numbers):
    for number in numbers:
        board.add(make_event(number))


def ids(lines):
    return [int(line.entry_id.partition("-")[0]) for line in lines]


def test_counts_everything_and_keeps_the_latest(board):
    add(board, range(1, 2 * LATEST + 1))
    board.add(make_event(1000, action="cancel"))
    shown = board.snapshot()
    assert shown.counts == {"cancel": 1, "create": 2 * LATEST}
    assert shown.total == 2 * LATEST + 1
    assert ids(shown.lines) == [1000, *range(2 * LATEST, LATEST + 1, -1)]


def test_news_are_what_came_after_oldest_first(board):
    add(board, range(1, 8))
    assert ids(board.news(4, timeout=0)) == [5, 6, 7]
    assert board.news(7, timeout=0) == []


def test_who_has_missed_too_much_is_told_so(board):
    add(board, range(1, LATEST + 3))
    assert board.news(1, timeout=0) is None
    assert len(board.news(2, timeout=0)) == LATEST


@pytest.mark.parametrize(
    ("payload", "order", "status"),
    [
        ({"data": {"number": "A1", "status": "placed"}}, "A1", "placed"),
        ({"data": {}}, "shop.order 1", ""),
        ({"data": ["A1"]}, "shop.order 1", ""),
        ({"data": {"number": 7, "status": None}}, "7", ""),
        ({"data": {"number": "\ud800"}}, "?", ""),
        ({"data": {"number": "x" * 500}}, "x" * LONGEST_TEXT + "…", ""),
    ],
    ids=["as published", "nothing", "no mapping", "other types", "half a character", "long"],
)
def test_shows_whatever_an_event_brings(board, payload, order, status):
    board.add(make_event(1, **payload))
    (line,) = board.snapshot().lines
    assert (line.order, line.action, line.status) == (order, "create", status)
