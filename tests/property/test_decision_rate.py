"""10,000 simulated genuine participants a law: alarms stay within what the knob promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime.config import DecisionConfig
from realtime.decision.channel import ChannelTest
from realtime.decision.evidence import Thresholds
from realtime.types import Modality
from tests.support.decision import HOP_NS, RULE, Law, calibration_of, evidence, observed

LAWS = {
    "independent": Law(between_sd=0.0),
    "speakers_differ": Law(between_sd=0.1),
    "speakers_differ_and_windows_overlap": Law(between_sd=0.1, correlation=0.5),
    "slow_drift": Law(between_sd=0.1, correlation=0.7),
    "heavy_tails": Law(between_sd=0.1, correlation=0.3, heavy=True),
}
RATES_PER_HOUR = (1 / 24, 1 / 4, 1.0)
WINDOWS = 750
STREAMS = 10_000
CALIBRATIONS = 4


@pytest.fixture(scope="module", params=LAWS.values(), ids=LAWS.keys())
def alarms(request):
    """Streams with an alarm by rate, over several calibrations: the promise is on average over them."""
    law, found = request.param, dict.fromkeys(RATES_PER_HOUR, 0)
    for seed in range(CALIBRATIONS):
        calibration = calibration_of(law, seed)
        streams = law.windows(np.random.default_rng(1000 + seed), STREAMS // CALIBRATIONS, WINDOWS)
        for rate in RATES_PER_HOUR:
            limit = Thresholds.of(DecisionConfig(false_alarms_per_hour=rate), RULE.blocks_per_hour)
            change, start = evidence(calibration, streams, rarity=math.exp(-limit.start))
            raised = (change.max(axis=1) >= limit.change) | (start.max(axis=1) >= limit.start)
            found[rate] += int(raised.sum())
    return found


def test_genuine_participants_are_in_alarm_no_more_often_than_promised(alarms):
    hours, head_start_h = WINDOWS * HOP_NS / 3.6e12, DecisionConfig().head_start_h
    for rate, count in alarms.items():
        assert count <= STREAMS * rate * (hours + head_start_h) / (1 + head_start_h)


def test_a_lower_rate_brings_fewer_alarms(alarms):
    counts = [alarms[rate] for rate in RATES_PER_HOUR]
    assert counts == sorted(counts)
    assert counts[-1] > 0
    assert counts[0] < counts[-1]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_the_simulation_is_the_test(law):
    """What is simulated many times over at once is what runs live, block by block."""
    calibration = calibration_of(law)
    streams = law.windows(np.random.default_rng(5), 3, 120)
    change, start = evidence(calibration, streams, rarity=0.01)
    for index, values in enumerate(streams):
        live = ChannelTest(calibration.channels[Modality.CROSS], RULE, ceiling=1e9, rarity=0.01)
        for number, each in enumerate(observed(values)):
            live.check(each)
            assert live.take(each, learn=True) is None
            if number % RULE.observations == RULE.observations - 1:
                block = number // RULE.observations
                assert live.evidence.log_change == pytest.approx(change[index, block], abs=1e-6)
                assert live.evidence.log_start == pytest.approx(start[index, block], abs=1e-6)
