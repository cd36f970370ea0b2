"""Where in a long list a page is."""

import pytest
from django.test import RequestFactory

from stream_events.admin.paging import Paging
from stream_events.admin.place import Place
from stream_events.models import PendingEntry
from stream_events.operations.pages import Page


def paging(query="", **page):
    request = RequestFactory().get(f"/{query}")
    return Paging(request, Place.of(request), Page(**page), PendingEntry._meta)


def test_the_first_page_has_only_a_next_one():
    found = paging(total=100, after="5-0")
    assert (found.first, found.previous) == ("", "")
    assert found.next == "?after=5-0&trail=-"


def test_going_on_and_back_leads_where_one_was():
    ids = [f"{number}-0" for number in range(1, 6)]
    queries = [""]
    for one in ids:
        queries.append(paging(queries[-1], total=100, after=one).next)
    back = [queries[-1]]
    while previous := paging(back[-1], total=100).previous:
        back.append(previous)
    assert back[:-1] == queries[:0:-1]
    assert back[-1] == "?"


def test_filters_stay():
    found = paging("?group=a&after=5-0&trail=-", total=100, after="9-0")
    assert found.next == "?group=a&after=9-0&trail=-_5-0"
    assert found.previous == "?group=a"
    assert found.first == "?group=a"


def test_the_way_back_is_remembered_for_twenty_pages():
    query = ""
    for number in range(1, 40):
        query = paging(query, total=100, after=f"{number}-0").next
    pages = 0
    while query := paging(query, total=100).previous:
        pages += 1
    assert pages == 20


@pytest.mark.parametrize("value", ["x", "1-", "-", "99999999999999999999-0", "١-١", "1-0'"])
def test_a_place_that_makes_no_sense_is_the_first(value):
    request = RequestFactory().get("/", {"after": value, "trail": f"{value}_x", "size": value})
    assert Place.of(request).is_first
    assert Place.of(request).size == 50
    assert paging(f"?after=1-0&trail={value}x", total=1).previous == ""


def test_the_size_is_a_choice_that_begins_anew():
    found = paging("?after=5-0&size=100", total=1000)
    assert found.sizes == [(50, "?size=50"), (100, ""), (200, "?size=200")]
    assert paging(total=50).sizes == []


def test_a_page_that_was_cut_says_how_far_it_looked():
    assert paging(total=1_000_000, scanned=100_000, is_cut=True, after="5-0").cut == (
        "No match in 100,000 of 1,000,000 pending entries."
    )
    some = paging(rows=(1, 2), total=1_000_000, scanned=100_000, is_cut=True, after="5-0")
    assert some.cut == "2 found in 100,000 of 1,000,000 pending entries."
    assert paging(total=10, scanned=10).cut == ""


def test_the_total_is_in_words():
    assert paging(total=1).total == "1 pending entry"
    assert paging(total=1_000_000).total == "1,000,000 pending entries"
