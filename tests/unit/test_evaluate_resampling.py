from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.metrics import auc
from training.evaluate.resampling import auc_over_draws, bootstrap_by_speaker


def clips(seed: int, speakers: int = 20, per_speaker: int = 4, shift: float = 1.0):
    generator = np.random.default_rng(seed)
    names = np.repeat([f"s{index}" for index in range(speakers)], per_speaker)
    is_fake = np.arange(len(names)) % 2 == 0
    voice = np.repeat(generator.normal(size=speakers), per_speaker)
    return is_fake, generator.normal(size=len(names)) + voice + shift * is_fake, list(names)


def test_the_same_seed_gives_the_same_interval() -> None:
    is_fake, evidence, speakers = clips(0)
    first = bootstrap_by_speaker(is_fake, evidence, speakers, resamples=200, seed=3)
    assert first == bootstrap_by_speaker(is_fake, evidence, speakers, resamples=200, seed=3)
    assert first != bootstrap_by_speaker(is_fake, evidence, speakers, resamples=200, seed=4)


def test_copies_of_a_speakers_clips_add_no_certainty() -> None:
    is_fake, evidence, speakers = clips(1)
    once = bootstrap_by_speaker(is_fake, evidence, speakers, resamples=200, seed=0)
    copied = bootstrap_by_speaker(
        np.tile(is_fake, 5), np.tile(evidence, 5), speakers * 5, resamples=200, seed=0
    )
    assert once.auc == pytest.approx(copied.auc)
    assert once.average_precision == pytest.approx(copied.average_precision)


def test_whole_speakers_are_drawn() -> None:
    """Both speakers' fakes win their pairs, but lose to the other's genuine clips in one direction."""
    is_fake = [False, True, False, True]
    evidence = [0.0, 1.0, 10.0, 11.0]
    intervals = bootstrap_by_speaker(is_fake, evidence, ["a", "a", "b", "b"], resamples=400, seed=0)
    assert auc(is_fake, evidence) == 0.75
    assert intervals.auc == (0.75, 1.0)


def test_the_interval_covers_the_true_value_about_as_often_as_stated() -> None:
    generator = np.random.default_rng(5)
    true_auc = 0.7602  # of two normal distributions one deviation apart: Phi(1 / sqrt 2)
    covered = 0
    trials = 120
    for trial in range(trials):
        names = [f"s{index}" for index in range(80)]
        is_fake = np.arange(80) < 40
        evidence = generator.normal(size=80) + is_fake
        interval = bootstrap_by_speaker(is_fake, evidence, names, resamples=200, seed=trial).auc
        assert interval is not None
        covered += interval[0] <= true_auc <= interval[1]
    assert 0.87 <= covered / trials <= 0.99


def test_one_speaker_of_a_class_gives_no_interval() -> None:
    intervals = bootstrap_by_speaker([True, True, False, False], [1, 2, 3, 4], ["x", "x", "y", "z"])
    assert intervals.auc is None
    assert intervals.average_precision is None
    assert bootstrap_by_speaker([], [], []).auc is None


def test_draws_average_to_the_auc_and_repeat() -> None:
    is_fake, evidence, _ = clips(2, speakers=100)
    drawn = auc_over_draws(is_fake, evidence, genuine=50, fakes=60, draws=300, seed=1)
    assert drawn is not None
    assert drawn == auc_over_draws(is_fake, evidence, genuine=50, fakes=60, draws=300, seed=1)
    assert drawn.mean == pytest.approx(auc(is_fake, evidence), abs=0.01)
    assert 0 < drawn.deviation < 0.1
    everything = auc_over_draws(is_fake, evidence, genuine=200, fakes=200, draws=5, seed=1)
    assert everything is not None
    assert everything.deviation == pytest.approx(0, abs=1e-12)


def test_too_few_clips_for_a_draw() -> None:
    assert auc_over_draws([True, False], [1.0, 0.0], genuine=2, fakes=1, draws=3) is None
    assert auc_over_draws([True, False], [1.0, 0.0], genuine=1, fakes=2, draws=3) is None
