"""The evidence processes against a naive loop in the linear domain, and what their thresholds promise."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realtime.config import DecisionConfig
from realtime.decision.evidence import LEAST, LEAST_STEP, ChannelEvidence, Question, Thresholds, log_mean
from realtime.types import TimeSpan

logs = st.floats(-3, 3, allow_nan=False)


def block(index):
    return TimeSpan(start_ns=index * 10, end_ns=index * 10 + 4)


def lowered(log_e):
    """What says next to nothing counts a little against a change."""
    return log_e if log_e >= LEAST_STEP or log_e <= -LEAST_STEP else -LEAST_STEP


def naive_change(e_values):
    """Sum over all moments of a change of the product of the e-values since."""
    return sum(math.prod(e_values[first:]) for first in range(len(e_values)))


@settings(deadline=None)
@given(steps=st.lists(logs, min_size=1, max_size=14))
def test_agrees_with_sums_of_products(steps):
    evidence = ChannelEvidence(ceiling=1e9)
    for index, log_e in enumerate(steps):
        evidence.take(log_e, block(index))
        e_values = [math.exp(lowered(each)) for each in steps[: index + 1]]
        assert math.exp(evidence.of(Question.CHANGED)) == pytest.approx(naive_change(e_values), rel=1e-9)
        assert evidence.of(Question.FROM_START) == pytest.approx(sum(steps[: index + 1]), abs=1e-9)


@settings(deadline=None)
@given(steps=st.lists(st.integers(-300, 300).map(lambda n: n / 100), min_size=1, max_size=20))
def test_a_change_is_dated_to_the_likeliest_moment(steps):
    counted = [Fraction(round(100 * lowered(each)), 100) for each in steps]
    tails = [sum(counted[k:]) for k in range(len(steps))]
    best = max(tails)
    assume(best > 0 and tails.count(best) == 1)
    evidence = ChannelEvidence(ceiling=1e9)
    for index, log_e in enumerate(steps):
        evidence.take(log_e, block(index))
    span = evidence.span(Question.CHANGED)
    assert span == TimeSpan(start_ns=block(tails.index(best)).start_ns, end_ns=block(len(steps) - 1).end_ns)
    assert evidence.span(Question.FROM_START) == TimeSpan(start_ns=0, end_ns=span.end_ns)


@settings(deadline=None)
@given(steps=st.lists(st.floats(-1e4, 1e4, allow_nan=False), max_size=60), ceiling=st.floats(1, 50))
def test_stays_finite_and_within_its_bounds(steps, ceiling):
    evidence = ChannelEvidence(ceiling)
    for index, log_e in enumerate(steps):
        evidence.take(log_e, block(index))
        assert evidence.log_change <= ceiling
        assert evidence.log_start >= LEAST
        assert math.isfinite(evidence.log_change)
        assert math.isfinite(log_mean([evidence.log_change, evidence.log_start]))


@settings(deadline=None)
@given(steps=st.lists(logs, max_size=30), ceiling=st.floats(1, 8))
def test_evidence_that_is_paid_back_starts_anew(steps, ceiling):
    """Once the evidence is below 1 no earlier moment is left to date a change to."""
    evidence = ChannelEvidence(ceiling)
    for index, log_e in enumerate(steps):
        evidence.take(log_e, block(index))
    if evidence.log_change <= 0.0:
        evidence.take(1.0, block(len(steps)))
        assert evidence.span(Question.CHANGED).start_ns == block(len(steps)).start_ns


@given(a=st.lists(st.floats(-40, 40), min_size=1, max_size=5))
def test_channels_are_averaged(a):
    assert log_mean(a) == pytest.approx(math.log(sum(map(math.exp, a)) / len(a)), abs=1e-9)


@given(
    rate=st.floats(1e-4, 60),
    head_start_h=st.floats(0.01, 1),
    hours=st.floats(1, 100),
    pace=st.floats(900, 9000),
)
def test_the_two_bounds_add_up_to_the_rate(rate, head_start_h, hours, pace):
    config = DecisionConfig(false_alarms_per_hour=rate, head_start_h=head_start_h)
    thresholds = Thresholds.of(config, pace)
    by_change = pace * hours * math.exp(-thresholds.against(Question.CHANGED))
    by_start = math.exp(-thresholds.against(Question.FROM_START))
    assert by_change + by_start <= rate * hours * (1 + 1e-9)
    assert min(thresholds.change, thresholds.start) >= math.log(config.least_evidence) - 1e-9


def test_a_rarer_alarm_needs_more_evidence():
    found = [
        Thresholds.of(DecisionConfig(false_alarms_per_hour=rate), 4500.0)
        for rate in (6.0, 0.25, 1 / 24, 1e-3)
    ]
    assert [each.change for each in found] == sorted(each.change for each in found)
    assert found[1].start < found[2].start < found[3].start


@pytest.mark.parametrize("log_e", [0.0, 1e-12, 0.2])
def test_what_says_nothing_neither_adds_up_nor_keeps_an_alarm(log_e):
    evidence = ChannelEvidence(ceiling=12.0)
    for index in range(9000):
        evidence.take(log_e, block(index))
        assert evidence.log_change < 1.5
    evidence.raise_to_ceiling()
    for index in range(9000, 9060):
        evidence.take(log_e, block(index))
    assert evidence.log_change < 1.5
    assert evidence.owed <= 0.0


@settings(deadline=None)
@given(steps=st.lists(logs, max_size=30), ceiling=st.floats(1, 8))
def test_once_all_is_paid_back_an_alarm_is_not_raised_again_at_once(steps, ceiling):
    """No moment since then has more for it than against it, and there are no more of them than blocks."""
    evidence = ChannelEvidence(ceiling)
    evidence.raise_to_ceiling()
    for index, log_e in enumerate(steps):
        evidence.take(log_e, block(index))
        if evidence.owed <= 0.0:
            assert evidence.log_change <= math.log(2 + index) + 1e-9
            return
        assert evidence.owed <= ceiling
