"""The capacity search against the threshold that it looks for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.search import CapacitySearch

MOST = 200


def _searched(first: int, most: int, threshold: int) -> tuple[CapacitySearch, list[int]]:
    """Run a search on a machine that holds exactly ``threshold`` participants."""
    search, tried = CapacitySearch(first, most), []
    while (count := search.next_count) is not None:
        tried.append(count)
        search.record(held=count <= threshold)
    return search, tried


@st.composite
def searches(draw: st.DrawFn) -> tuple[int, int, int]:
    most = draw(st.integers(1, MOST))
    return draw(st.integers(1, most)), most, draw(st.integers(0, MOST))


@given(searches())
def test_it_finds_the_largest_count_that_holds(drawn):
    first, most, threshold = drawn
    search, _ = _searched(first, most, threshold)
    assert search.capacity == min(threshold, most)
    assert search.limited == (threshold >= most)


@given(searches())
def test_no_count_is_tried_twice_and_all_are_within_the_bounds(drawn):
    first, most, threshold = drawn
    _, tried = _searched(first, most, threshold)
    assert len(set(tried)) == len(tried)
    assert all(1 <= count <= most for count in tried)
    assert tried[0] == first


@given(searches())
def test_the_number_of_calls_grows_with_the_logarithm(drawn):
    first, most, threshold = drawn
    _, tried = _searched(first, most, threshold)
    assert len(tried) <= 2 * math.log2(most) + 3


def test_what_is_found_in_the_end_was_tried_and_held():
    search, tried = _searched(4, 64, 5)
    assert tried == [4, 8, 6, 5]
    assert search.capacity == 5


def test_a_finished_search_takes_no_more():
    search, _ = _searched(1, 1, 0)
    assert search.capacity == 0
    with pytest.raises(ValueError, match="over"):
        search.record(held=True)


@pytest.mark.parametrize(("first", "most"), [(0, 4), (5, 4)])
def test_impossible_bounds_are_refused(first, most):
    with pytest.raises(ValueError, match="search from"):
        CapacitySearch(first, most)
