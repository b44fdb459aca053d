"""Deferred work is taken in order, in time and once, and changes nothing but when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.deferred import MAX_OPEN, DeferredWork


class Instant:
    """Does the work when it is begun, and says when its result was waited for."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def begin(self, work: Callable[[], int]) -> Callable[[], int]:
        result = work()
        self.begun.append(result)
        return lambda: result


#: Positive numbers are works on that tick, None settles everything and negative ones settle up to a tick.
steps = st.lists(st.one_of(st.integers(1, 20), st.integers(-21, -1), st.none()), max_size=150)


@given(steps)
def test_results_come_once_in_order_and_before_they_are_wanted(script: list[int | None]) -> None:
    helper, taken = Instant(), []
    deferred = DeferredWork(helper)
    asked: list[tuple[int, int]] = []
    for number, step in enumerate(script):
        if step is not None and step > 0:
            asked.append((number, step))
            deferred.do(step, lambda number=number: number, lambda result: taken.append(result()))
        else:
            deferred.settle(None if step is None else -step)
            due = [n for n, tick in asked if step is None or tick < -step]
            assert set(due) <= set(taken)
        assert taken == [n for n, _ in asked][: len(taken)]
        assert len(asked) - len(taken) <= MAX_OPEN
    assert helper.begun == [n for n, _ in asked]
    deferred.settle()
    assert taken == helper.begun


def test_without_a_helper_everything_is_taken_at_once() -> None:
    deferred, taken = DeferredWork(None), []
    deferred.do(5, lambda: 7, lambda result: taken.append(result()))
    assert taken == [7]
    assert not deferred.is_deferring


def test_what_nothing_wants_is_left_open_and_an_error_comes_with_its_result() -> None:
    def fail() -> int:
        raise ValueError("engine")

    class Lazy:
        def begin(self, work: Callable[[], int]) -> Callable[[], int]:
            return work

    deferred, taken = DeferredWork(Lazy()), []
    deferred.do(3, lambda: 3, lambda result: taken.append(result()))
    deferred.do(8, fail, lambda result: taken.append(result()))
    deferred.settle(8)
    assert taken == [3]
    with pytest.raises(ValueError, match="engine"):
        deferred.settle(9)
