"""Calibrations: made from genuine windows alone, kept as plain values, refused where they say too little."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from realtime.config import DecisionConfig
from realtime.decision.baseline import Age, OwnBaseline, SpeakerPrior
from realtime.decision.discount import discount
from realtime.decision.fitting import MIN_SPEAKERS, USEFUL_DISCOUNT, fit
from realtime.decision.portable import from_dict, to_dict
from realtime.decision.quality import LEVEL_EDGES, Level
from realtime.decision.support import support
from realtime.errors import CalibrationError
from realtime.types import Modality
from tests.support.decision import GOOD, RULE, Law, calibrated, calibration_of, observed

LAW = Law(between_sd=0.1)
STREAMS = LAW.windows(np.random.default_rng(0), 24, 100)
CALIBRATION = calibrated(STREAMS)


def test_a_fit_is_deterministic_and_survives_a_file():
    assert calibrated(STREAMS) == CALIBRATION
    assert from_dict(json.loads(json.dumps(to_dict(CALIBRATION)))) == CALIBRATION


def test_the_parameters_of_the_speakers_are_found():
    law = Law(between_sd=0.12, within_sd=0.1, mean=0.3)
    channel = calibrated(law.windows(np.random.default_rng(1), 300, 40)).channels[Modality.CROSS]
    assert channel.levels[Level.GOOD].mean == pytest.approx(0.3, abs=0.03)
    assert channel.prior.between_variance == pytest.approx(0.12**2, rel=0.25)
    assert channel.prior.within_variance == pytest.approx(0.1**2 / 2, rel=0.1)


def test_faces_that_are_all_alike_do_not_show_that_everybody_is():
    """Someone a little further from the remembered face than others is usual for itself, down to a floor."""
    alike = np.full((12, 40), 0.6)
    prior = calibrated(alike, channels=(Modality.INTRA,)).channels[Modality.INTRA].prior
    baseline = OwnBaseline(prior, prior.floor(1 / 72))
    for _ in range(50):
        baseline.learn(-0.1)
    assert baseline.offset == pytest.approx(-0.1, abs=0.005)
    for _ in range(100):
        baseline.learn(-0.5)
    assert 0.4 < 0.6 + baseline.offset < 0.5


def test_poorer_media_that_would_leave_little_of_a_channel_are_given_up():
    """Two of twelve jump for a while in poor media; with those, good media would count for little, too."""
    good = np.full((12, 60), 0.6)
    poor = good.copy()
    poor[:2, 20:28] -= 0.3
    channel = fit(
        [
            [
                observed(high, channel=Modality.INTRA),
                observed(low, first=100, channel=Modality.INTRA, quality=replace(GOOD, face_px=50.0)),
            ]
            for high, low in zip(good, poor, strict=True)
        ],
        rule=RULE,
        description="simulated",
        engine_ids={},
        configuration_sha256="0" * 64,
    ).channels[Modality.INTRA]
    assert list(channel.levels) == [Level.GOOD]
    assert channel.discount >= USEFUL_DISCOUNT


def test_the_baseline_is_the_posterior_mean_down_to_its_floor():
    prior = SpeakerPrior(between_variance=0.01, within_variance=0.02)
    baseline = OwnBaseline(prior, floor=-0.15)
    assert (baseline.offset, baseline.age) == (0.0, Age.COLD)
    deviations = [0.1, -0.2, 0.3, 0.05]
    for count, deviation in enumerate(deviations, start=1):
        baseline.learn(deviation)
        total = sum(deviations[:count])
        assert baseline.offset == pytest.approx(total / (count + 2.0))
    for _ in range(40):
        baseline.learn(-0.9)
    assert baseline.offset == -0.15


@pytest.mark.parametrize(("rarity", "deviations"), [(0.5, 0.0), (0.158655, 1.0), (0.00135, 3.0)])
def test_the_floor_is_a_quantile_of_genuine_people(rarity, deviations):
    prior = SpeakerPrior(between_variance=0.04, within_variance=0.02)
    assert prior.floor(rarity) == pytest.approx(-0.2 * deviations, abs=1e-3)


def test_what_neighbours_share_is_discounted():
    loose, close = (
        calibration_of(Law(between_sd=0.05, correlation=each)).channels[Modality.CROSS].discount
        for each in (0.0, 0.7)
    )
    assert 0.0 < close < loose <= 1.0


class TestDiscount:
    def sums(self, mean, sd, people=40):
        rng = np.random.default_rng(2)
        return [rng.normal(mean, sd, 200) for _ in range(people)]

    def test_independent_evidence_is_left_alone(self):
        assert discount(self.sums(-2.0, 1.5)) == 1.0

    def test_a_sum_that_spreads_twice_as_much_counts_about_a_quarter(self):
        """A normal S is worth at most nothing up to the power -2 mean / variance."""
        assert discount(self.sums(-2.0, 4.0)) == pytest.approx(0.25, abs=0.05)

    def test_one_speaker_who_looks_fake_lowers_it(self):
        sums = self.sums(-2.0, 1.5)
        assert discount([*sums[:-1], sums[-1] + 10.0]) < 1.0

    def test_people_who_contradict_each_other_are_refused(self):
        with pytest.raises(CalibrationError, match="contradict"):
            discount(self.sums(0.5, 1.0))


@pytest.mark.parametrize("streams", [STREAMS[:MIN_SPEAKERS], STREAMS[:, :3], STREAMS[:0]])
def test_too_little_material_is_refused(streams):
    with pytest.raises(CalibrationError) as raised:
        calibrated(streams)
    assert "longer recordings of more people" in raised.value.fix


def test_levels_of_quality_are_kept_apart():
    poor = type(GOOD)(speech_ratio=0.9, **{name: fair for name, (fair, _) in LEVEL_EDGES.items()})
    people = [[observed(values), observed(values - 0.1, quality=poor)] for values in STREAMS]
    channel = fit(people, rule=RULE, description="", engine_ids={}, configuration_sha256="").channels[
        Modality.CROSS
    ]
    assert set(channel.levels) == {Level.FAIR, Level.GOOD}
    assert channel.levels[Level.GOOD].mean - channel.levels[Level.FAIR].mean == pytest.approx(0.1, abs=1e-3)
    assert channel.levels[Level.FAIR].poorest == {name: fair for name, (fair, _) in LEVEL_EDGES.items()}
    assert channel.reference(Level.POOR, Age.WARM) is None


def test_windows_of_unknown_quality_are_no_material():
    unknown = type(GOOD)(face_px=None, sharpness=None, speech_ratio=None, picture_ratio=None)
    with pytest.raises(CalibrationError):
        calibrated(STREAMS, quality=unknown)


def test_the_material_is_counted():
    material = calibrated(STREAMS, channels=(Modality.INTRA, Modality.CROSS)).material
    assert (material.speakers, material.clips) == (24, 24)
    assert material.minutes == pytest.approx(24 * 100 * 0.4 / 60)


def test_the_operator_is_told_what_the_material_cannot_verify():
    said = support(CALIBRATION, DecisionConfig())
    assert not said.verified
    assert said.verifiable_per_hour == pytest.approx(3 / (16 / 60))
    assert "no rate under" in said.statement
    assert "24 speakers" in said.statement
    enough = support(CALIBRATION, DecisionConfig(false_alarms_per_hour=12.0))
    assert enough.verified
    assert "no rate under" not in enough.statement


def changed(path, value):
    values = copy.deepcopy(json.loads(json.dumps(to_dict(CALIBRATION))))
    place = values
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return values


CROSS = ("channels", "cross")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("format",), "other"),
        (("material",), None),
        (("material", "minutes"), -1.0),
        (("material", "speakers"), True),
        (("rule", "observations"), 0),
        (("rule", "hop_ns"), 0.4),
        (("channels",), {}),
        (("channels", "smell"), {}),
        ((*CROSS, "discount"), 0.0),
        ((*CROSS, "discount"), 1.1),
        ((*CROSS, "discount"), "1"),
        ((*CROSS, "levels", "good", "poorest"), {"face_px": 90.0}),
        ((*CROSS, "levels", "good", "mean"), float("nan")),
        ((*CROSS, "levels"), {}),
        ((*CROSS, "strata"), []),
        ((*CROSS, "strata", 0, "age"), "old"),
        ((*CROSS, "strata", 0, "level"), 2),
        ((*CROSS, "strata"), 7),
        ((*CROSS, "strata", 0, "speakers"), 7),
        ((*CROSS, "strata", 0, "tilt"), float("inf")),
        ((*CROSS, "strata", 0, "speakers"), []),
        ((*CROSS, "strata", 0, "speakers"), [[]]),
        ((*CROSS, "strata", 0, "speakers"), [["low"]]),
        ((*CROSS, "prior", "within_variance"), None),
        (("engine_ids",), ["a"]),
    ],
)
def test_a_damaged_calibration_is_refused(path, value):
    with pytest.raises(CalibrationError) as raised:
        from_dict(changed(path, value))
    assert "seamwatch calibrate" in raised.value.fix


@pytest.mark.parametrize("values", [None, [], "text", {}, 3])
def test_what_is_no_calibration_is_refused(values):
    with pytest.raises(CalibrationError):
        from_dict(values)
