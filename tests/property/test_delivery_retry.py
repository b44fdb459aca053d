from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.delivery.retry import Outcome, RetryPolicy, asked_delay_s, outcome_of_status

POLICY = RetryPolicy()
chances = st.floats(0, 1, exclude_max=True)


@given(failures=st.integers(1, 10_000), uniform=chances)
def test_delays_are_drawn_from_a_bound_that_doubles_up_to_a_limit(failures, uniform):
    bound_s = POLICY.first_s
    for _ in range(min(failures, 100) - 1):
        bound_s = min(POLICY.longest_s, bound_s * 2)
    assert POLICY.delay_s(failures, uniform) == uniform * bound_s
    assert POLICY.delay_s(failures, uniform) <= POLICY.longest_s


@given(failures=st.integers(1, 100), uniform=chances, asked_s=st.floats(0, 1e12))
def test_what_is_asked_is_honoured_up_to_a_limit(failures, uniform, asked_s):
    delay_s = POLICY.delay_s(failures, uniform, asked_s)
    assert delay_s >= POLICY.delay_s(failures, uniform)
    assert delay_s >= min(asked_s, POLICY.longest_asked_s)
    assert delay_s <= max(POLICY.longest_s, POLICY.longest_asked_s)


@given(attempts=st.integers(1, 1000), age_s=st.floats(-1e6, 1e9))
def test_giving_up_needs_both_age_and_attempts(attempts, age_s):
    gives_up = POLICY.gives_up(attempts, age_s)
    assert gives_up == (attempts >= POLICY.least_attempts and age_s >= POLICY.give_up_after_s)


@given(status=st.integers(100, 599))
def test_every_status_means_one_thing(status):
    expected = {2: Outcome.DELIVERED, 5: Outcome.FAILED}.get(status // 100, Outcome.REFUSED)
    if status in {408, 425, 429}:
        expected = Outcome.FAILED
    if status == 410:
        expected = Outcome.GONE
    assert outcome_of_status(status) is expected


@given(seconds=st.integers(0, 999_999_999))
def test_retry_after_in_seconds(seconds):
    assert asked_delay_s(str(seconds), now_s=5.0) == seconds


@given(now_s=st.integers(0, 4_000_000_000), ahead_s=st.integers(-1000, 1000))
def test_retry_after_as_a_date(now_s, ahead_s):
    at_s = max(0, now_s + ahead_s)
    assert asked_delay_s(formatdate(at_s, usegmt=True), now_s=now_s) == max(0, at_s - now_s)


@given(text=st.text(max_size=60))
def test_retry_after_is_never_trusted(text):
    asked_s = asked_delay_s(text, now_s=0.0)
    assert asked_s is None or asked_s >= 0


@pytest.mark.parametrize(
    "text", [None, "", "soon", "-1", "1.5", "9" * 5000, "٣", "Tue, 99 Foo 2026 99:99:99 GMT"]
)
def test_what_asks_for_nothing(text):
    assert asked_delay_s(text, now_s=0.0) is None
