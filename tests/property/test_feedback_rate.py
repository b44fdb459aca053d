"""Calibrations that false alarms were fed back into keep the promised rate on 10,000 simulated streams."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime.config import DecisionConfig
from realtime.decision.evidence import Thresholds
from tests.support.decision import HOP_NS, RULE, Law, calibrated, evidence

LAWS = {
    "speakers_differ_and_windows_overlap": Law(between_sd=0.1, correlation=0.5),
    "heavy_tails": Law(between_sd=0.1, correlation=0.3, heavy=True),
}
PROMISED_PER_HOUR = 1.0
#: The monitor that the operator answers is set to raise more alarms, so that there are some to feed back.
ANSWERED_PER_HOUR = 20.0
WINDOWS = 750
STREAMS = 10_000
CALIBRATIONS = 4
MARKED = 3
RUN_WINDOWS = 300


def first_alarms(calibration, streams, rate):
    """Return for every stream the window that raises the first alarm, or its length where none does."""
    limit = Thresholds.of(DecisionConfig(false_alarms_per_hour=rate), RULE.blocks_per_hour)
    change, start = evidence(calibration, streams, rarity=math.exp(-limit.start))
    raised = (change >= limit.change) | (start >= limit.start)
    blocks = np.where(raised.any(axis=1), raised.argmax(axis=1), streams.shape[1])
    return np.minimum((blocks + 1) * RULE.observations, streams.shape[1])


def marked_runs(calibration, law, seed):
    """Return what an operator marks: the windows of some genuine streams up to their false alarms."""
    streams = law.windows(np.random.default_rng(seed), 2000, WINDOWS)
    ends = first_alarms(calibration, streams, ANSWERED_PER_HOUR)
    accused = np.flatnonzero(ends < WINDOWS)[:MARKED]
    return [streams[each, max(0, ends[each] - RUN_WINDOWS) : ends[each]] for each in accused]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_false_alarms_fed_back_keep_the_rate(law):
    alarms = fed_back = 0
    for seed in range(CALIBRATIONS):
        recordings = [*law.windows(np.random.default_rng(seed), 24, 100)]
        runs = marked_runs(calibrated(recordings), law, 500 + seed)
        fed_back += len(runs)
        streams = law.windows(np.random.default_rng(1000 + seed), STREAMS // CALIBRATIONS, WINDOWS)
        ends = first_alarms(calibrated([*recordings, *runs]), streams, PROMISED_PER_HOUR)
        alarms += int((ends < WINDOWS).sum())
    hours, head_start_h = WINDOWS * HOP_NS / 3.6e12, DecisionConfig().head_start_h
    assert fed_back == CALIBRATIONS * MARKED
    assert alarms <= STREAMS * PROMISED_PER_HOUR * (hours + head_start_h) / (1 + head_start_h)
