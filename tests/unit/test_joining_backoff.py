from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clients.joining.backoff import FIRST_S, LONGEST_S, SETTLED_NS, Backoff


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_waits_double_with_jitter_up_to_the_longest(jitters: list[float]) -> None:
    drawn = iter(jitters)
    backoff = Backoff(lambda: next(drawn))
    for attempt, jitter in enumerate(jitters):
        whole = min(LONGEST_S, FIRST_S * 2**attempt)
        wait = backoff.lost(0)
        assert whole / 2 <= wait <= whole
        assert wait == whole * (0.5 + jitter / 2)


def test_a_call_that_held_for_a_while_starts_anew_and_one_that_flaps_does_not() -> None:
    backoff = Backoff(lambda: 0.0)
    assert [backoff.lost(0) for _ in range(3)] == [0.5, 1.0, 2.0]
    backoff.joined(0)
    assert backoff.lost(SETTLED_NS - 1) == 4.0
    backoff.joined(0)
    assert backoff.lost(SETTLED_NS) == 0.5
