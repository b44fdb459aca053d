"""Reading ahead in a thread gives the same items, never too many of them, and ends with its block."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ingest.read_ahead import ReadAhead


class Broken(Exception):
    pass


@settings(deadline=None)
@given(items=st.lists(st.integers(), max_size=40), limit=st.integers(1, 9), breaks=st.booleans())
def test_items_keep_their_order_and_an_error_comes_behind_them(items, limit, breaks):
    def source():
        yield from items
        if breaks:
            raise Broken

    taken = []
    with ReadAhead(source(), limit) as ahead:
        if breaks:
            with pytest.raises(Broken):
                taken.extend(ahead)
        else:
            taken.extend(ahead)
        assert next(ahead, "ended") == "ended"
    if not breaks:
        assert taken == items


@settings(deadline=None)
@given(count=st.integers(0, 60), limit=st.integers(1, 9), wanted=st.integers(0, 60))
def test_never_more_than_the_limit_waits_and_the_thread_ends_with_the_block(count, limit, wanted):
    taken = 0
    most_ahead = 0
    threads = threading.active_count()

    def source():
        nonlocal most_ahead
        for number in range(count):
            most_ahead = max(most_ahead, number - taken)
            yield number

    with ReadAhead(source(), limit) as ahead:
        for _ in range(wanted):
            if next(ahead, None) is None:
                break
            taken += 1
    assert taken == min(count, wanted)
    # One more is being read while the limit waits, and another has been handed over and not yet counted.
    assert most_ahead <= limit + 1
    assert threading.active_count() == threads


def fail_inside():
    with ReadAhead(iter(range(10**9)), 3) as ahead:
        assert next(ahead) == 0
        raise Broken


def test_leaving_the_block_by_an_error_ends_the_thread():
    threads = threading.active_count()
    with pytest.raises(Broken):
        fail_inside()
    assert threading.active_count() == threads


def test_reading_nothing_ahead_is_refused():
    with pytest.raises(ValueError, match="not reading ahead"):
        ReadAhead(iter([]), 0)
