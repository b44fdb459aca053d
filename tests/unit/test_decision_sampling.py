"""Burst sampling in virtual time."""

from __future__ import annotations

from realtime.config import DecisionConfig
from realtime.decision import sequential
from realtime.decision.evidence import Question
from realtime.decision.sampling import DENSE_INTERVAL_TICKS, MIN_BURST_NS, BurstSampling
from realtime.timebase import NS_PER_S

SPARSE = 15


def state(time_s, progress, *, alarm=False):
    return sequential.TestState(
        time_ns=round(time_s * NS_PER_S),
        question=Question.CHANGED,
        evidence={},
        combined=0.0,
        threshold=1.0,
        progress=progress,
        alarm=alarm,
        suspicious=alarm,
        causes=(),
        missing={},
        span=None,
    )


def intervals(*steps, sparse=SPARSE):
    sampling = BurstSampling(DecisionConfig(dense_progress=0.3, sparse_progress=0.15), sparse)
    return [sampling.interval_ticks(state(*step)) for step in steps]


def test_a_burst_begins_at_the_upper_fraction_and_not_below():
    assert intervals((0, 0.0), (1, 0.29), (2, 0.3)) == [SPARSE, SPARSE, DENSE_INTERVAL_TICKS]


def test_a_burst_goes_on_above_the_lower_fraction():
    assert intervals((0, 0.5), (60, 0.16), (120, 0.29)) == [DENSE_INTERVAL_TICKS] * 3


def test_a_burst_ends_after_its_shortest_time_below_the_lower_fraction():
    least_s = MIN_BURST_NS / NS_PER_S
    found = intervals(
        (0, 0.5), (1, 0.2), (2, 0.0), (least_s + 0.9, 0.1), (least_s + 1, 0.1), (least_s + 2, 0.2)
    )
    assert found == [DENSE_INTERVAL_TICKS] * 4 + [SPARSE] * 2


def test_the_alarm_ends_a_burst_and_what_is_left_of_the_evidence_begins_another():
    sampling = BurstSampling(DecisionConfig(dense_progress=0.3), SPARSE)
    assert sampling.interval_ticks(state(0, 0.9)) == DENSE_INTERVAL_TICKS
    assert sampling.interval_ticks(state(1, 1.0, alarm=True)) == SPARSE
    assert sampling.interval_ticks(state(100, 0.9, alarm=True)) == SPARSE
    assert sampling.interval_ticks(state(101, 0.2)) == SPARSE
    assert sampling.interval_ticks(state(102, 0.9)) == DENSE_INTERVAL_TICKS


def test_a_burst_never_samples_more_sparsely_than_usual():
    assert intervals((0, 0.9), sparse=4) == [4]
