"""The sequential test of one participant in virtual time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from realtime.config import DecisionConfig
from realtime.decision.baseline import Age
from realtime.decision.channel import NOT_CALIBRATED, QUALITY_UNKNOWN
from realtime.decision.evidence import Question
from realtime.decision.quality import LEVEL_EDGES
from realtime.decision.sequential import SequentialTest
from realtime.types import Modality
from tests.support.decision import GOOD, HOP_NS, WINDOW_NS, Law, calibrated, calibration_of, observed

LAW = Law(between_sd=0.05, within_sd=0.08)
CALIBRATION = calibration_of(LAW)
CONFIG = DecisionConfig()
BOTH = calibrated(LAW.windows(np.random.default_rng(0), 24, 100), channels=(Modality.INTRA, Modality.CROSS))


def play(values, *, test=None, first=0, channel=Modality.CROSS, quality=GOOD):
    """Feed one value a hop (NaN: none) and return the states."""
    test = test or SequentialTest(CALIBRATION, CONFIG)
    brought = {
        each.window_index: each for each in observed(values, first=first, channel=channel, quality=quality)
    }
    return [
        test.update(index * HOP_NS + WINDOW_NS, [brought[index]] if index in brought else [])
        for index in range(first, first + len(values))
    ]


def windows(count, *, mean=0.36, seed=1):
    return mean + 0.08 * np.random.default_rng(seed).standard_normal(count)


def nothing(count):
    return np.full(count, np.nan)


def evidence_of(state):
    return (
        state.question,
        state.evidence,
        state.combined,
        state.progress,
        state.alarm,
        state.causes,
        state.span,
    )


def test_a_change_in_mid_call_raises_the_alarm_and_is_dated():
    states = play(np.concatenate([windows(300), windows(60, mean=0.02, seed=2)]))
    assert not any(state.alarm for state in states[:300])
    raised = next(state for state in states if state.alarm)
    assert raised.question is Question.CHANGED
    assert raised.causes == (Modality.CROSS,)
    assert raised.progress == 1.0
    assert raised.combined >= raised.threshold
    change_ns = 300 * HOP_NS + WINDOW_NS
    assert abs(raised.span.start_ns - change_ns) <= 2 * 10**9
    assert 0 < raised.time_ns - change_ns <= 12 * 10**9
    assert raised.span.end_ns <= raised.time_ns
    assert all(state.span.start_ns == raised.span.start_ns for state in states if state.alarm)


def test_a_fake_from_the_first_second_raises_the_alarm():
    states = play(windows(60, mean=-0.05))
    raised = next(state for state in states if state.alarm)
    assert raised.question is Question.FROM_START
    assert raised.span.start_ns == WINDOW_NS
    assert raised.time_ns <= 12 * 10**9


def test_suspicion_comes_before_the_alarm_and_names_its_channel():
    states = play(np.concatenate([windows(300), windows(60, mean=0.02, seed=2)]))
    first = next(state for state in states if state.suspicious)
    assert not first.alarm
    assert CONFIG.suspicious_progress <= first.progress < 1.0
    assert first.causes == (Modality.CROSS,)
    assert all(state.causes == () for state in states if not state.suspicious)
    assert all(state.suspicious for state in states if state.alarm)


@pytest.mark.parametrize("before", [0, 300], ids=["from_start", "in_mid_call"])
def test_the_alarm_stays_until_as_much_evidence_has_come_back(before):
    test = SequentialTest(CALIBRATION, CONFIG)
    fake = play(np.concatenate([windows(before), windows(60, mean=-0.1, seed=2)]), test=test)
    assert fake[-1].alarm
    genuine = play(windows(120, mean=0.4, seed=3), test=test, first=before + 60)
    lifted = next(index for index, state in enumerate(genuine) if not state.alarm)
    assert 5 * 10**9 <= lifted * HOP_NS <= 40 * 10**9
    assert genuine[lifted].evidence[Modality.CROSS] <= 0.0
    assert not any(state.alarm for state in genuine[lifted:])
    again = play(windows(60, mean=-0.1, seed=4), test=test, first=before + 180)
    raised = next(state for state in again if state.alarm)
    assert raised.question is Question.CHANGED
    assert raised.span.start_ns >= (before + 178) * HOP_NS


@pytest.mark.parametrize("mean", [0.36, 0.1, -0.1], ids=["genuine", "suspicious", "fake"])
def test_silence_neither_raises_nor_lifts(mean):
    test = SequentialTest(CALIBRATION, CONFIG)
    last = play(np.concatenate([windows(200), windows(8, mean=mean, seed=2)]), test=test)[-1]
    for state in play(nothing(2000), test=test, first=208):
        assert evidence_of(state) == evidence_of(last)
        assert state.missing == {}


@pytest.mark.parametrize("factor", ["face_px", "sharpness", "picture_ratio"])
def test_unknown_quality_gives_nothing(factor):
    states = play(windows(60, mean=-0.3), quality=replace(GOOD, **{factor: None}))
    assert all(state.missing == {Modality.CROSS: QUALITY_UNKNOWN} for state in states)
    assert not any(state.suspicious or state.progress for state in states)
    assert all(state.span is None for state in states)


@pytest.mark.parametrize(
    "quality",
    [
        replace(GOOD, face_px=LEVEL_EDGES["face_px"][0]),
        replace(GOOD, sharpness=239.0),
        replace(GOOD, picture_ratio=0.95),
    ],
    ids=["another_level", "softer_than_any", "fewer_pictures_than_any"],
)
def test_media_poorer_than_the_calibration_gives_nothing(quality):
    states = play(windows(60, mean=-0.3), quality=quality)
    assert [state.missing for state in states] == [{}] + [{Modality.CROSS: NOT_CALIBRATED}] * 59
    assert not any(state.suspicious or state.progress for state in states)


def test_a_channel_without_a_calibration_gives_nothing():
    states = play(windows(60, mean=-0.3), channel=Modality.INTRA)
    assert all(state.missing == {Modality.INTRA: NOT_CALIBRATED} for state in states)
    assert not any(state.progress for state in states)


def test_one_of_two_channels_is_enough_and_costs_the_logarithm_of_two():
    alone = play(np.concatenate([windows(300), windows(60, mean=-0.1, seed=2)]))
    test = SequentialTest(BOTH, CONFIG)
    states = play(np.concatenate([windows(300), windows(60, mean=-0.1, seed=2)]), test=test)
    raised = next(state for state in states if state.alarm)
    assert raised.causes == (Modality.CROSS,)
    assert raised.time_ns >= next(state for state in alone if state.alarm).time_ns
    strong = max(raised.evidence.values())
    assert raised.combined == pytest.approx(strong - math.log(2), abs=0.01)
    assert raised.combined == pytest.approx(raised.threshold, abs=1e-6)


def test_a_slow_change_is_followed():
    noise = windows(4500, mean=0.0)
    slow = play(np.linspace(0.4, 0.27, 4500) + noise)
    sudden = play(np.where(np.arange(4500) < 2250, 0.4, 0.27) + noise)
    assert not any(state.alarm for state in slow)
    assert any(state.alarm for state in sudden)


def test_an_alarm_does_not_become_the_participants_own_normal():
    states = play(np.concatenate([windows(300), windows(1500, mean=0.02, seed=2)]))
    first = next(index for index, state in enumerate(states) if state.alarm)
    assert all(state.alarm for state in states[first:])


def test_everything_stays_finite_over_a_long_call():
    states = play(np.concatenate([windows(6000), windows(600, mean=-0.6, seed=2)]))
    for state in states:
        assert all(map(math.isfinite, (*state.evidence.values(), state.combined, state.threshold)))
        assert 0.0 <= state.progress <= 1.0


def test_a_lower_rate_takes_longer():
    values = np.concatenate([windows(300), windows(60, mean=0.02, seed=2)])

    def raised_ns(rate):
        test = SequentialTest(CALIBRATION, DecisionConfig(false_alarms_per_hour=rate))
        return next(state.time_ns for state in play(values, test=test) if state.alarm)

    assert raised_ns(6.0) < raised_ns(1 / 24) < raised_ns(1e-6)


def test_the_same_evidence_gives_the_same_states():
    values = np.where(np.random.default_rng(3).random(400) < 0.6, windows(400, mean=0.2), np.nan)
    assert play(values) == play(values)


class TestOrder:
    def refused(self, time_ns, observations, match):
        test = SequentialTest(CALIBRATION, CONFIG)
        before = play(windows(41), test=test)[-1]
        with pytest.raises(ValueError, match=match):
            test.update(time_ns, observations)
        after = test.update(before.time_ns + 1, [])
        assert evidence_of(after) == evidence_of(before)

    def at(self, index, value=0.3):
        return observed([value], first=index)[0]

    def test_time_must_rise(self):
        self.refused(40 * HOP_NS + WINDOW_NS, [], "rise")

    def test_nothing_comes_from_the_future(self):
        self.refused(41 * HOP_NS + WINDOW_NS, [self.at(42)], "future")

    def test_windows_do_not_come_twice(self):
        self.refused(41 * HOP_NS + WINDOW_NS, [self.at(40)], "too soon")

    def test_windows_do_not_come_faster_than_the_hop(self):
        early = replace(self.at(41), time_ns=40 * HOP_NS + WINDOW_NS + HOP_NS // 2)
        self.refused(41 * HOP_NS + WINDOW_NS, [early], "too soon")

    def test_a_channel_speaks_once(self):
        self.refused(42 * HOP_NS + WINDOW_NS, [self.at(41), self.at(42)], "more than one")

    @pytest.mark.parametrize("value", [math.nan, math.inf, 1.5])
    def test_a_value_is_a_cosine(self, value):
        self.refused(41 * HOP_NS + WINDOW_NS, [replace(self.at(41), value=value)], "cosine")


def test_little_known_people_are_compared_with_little_known_people():
    channel = CALIBRATION.channels[Modality.CROSS]
    known = {age for _, age in channel.strata}
    assert known == set(Age)
    younger = replace(
        channel, strata={key: each for key, each in channel.strata.items() if key[1] is Age.COLD}
    )
    level = next(iter(channel.levels))
    assert younger.reference(level, Age.WARM) is channel.strata[level, Age.COLD]
    assert replace(channel, strata={}).reference(level, Age.WARM) is None
