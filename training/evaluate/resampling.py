"""Uncertainty of the ranking metrics: bootstrap by speaker, and repeated random draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluate.metrics import Ranking

Interval = tuple[float, float]

MIN_SPEAKERS_PER_CLASS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Percentile intervals; None where a class has too few speakers to say.

    Attributes:
        auc: Lower and upper end for the AUC.
        average_precision: Lower and upper end for the average precision.
    """

    auc: Interval | None
    average_precision: Interval | None


def bootstrap_by_speaker(
    is_fake: npt.ArrayLike,
    evidence: npt.ArrayLike,
    speakers: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Intervals:
    """Return intervals from resampling whole speakers with replacement (cluster bootstrap).

    Clips of one speaker depend on each other, so a speaker is drawn with all of its clips. Speakers are drawn
    separately among those with fakes only, with genuine clips only and with both, so that no resample
    loses a class.

    Args:
        is_fake: bool, shape (n,).
        evidence: Finite, shape (n,); higher speaks for a fake.
        speakers: One name a clip.
        resamples: Number of resamples.
        seed: Seed of the draws.
        confidence: Coverage of the interval, in (0, 1).
    """
    fake = np.asarray(is_fake, np.bool_)
    names, speaker_of = np.unique(np.asarray(speakers, np.str_), return_inverse=True)
    has_fake = np.bincount(speaker_of[fake], minlength=len(names)) > 0
    has_genuine = np.bincount(speaker_of[~fake], minlength=len(names)) > 0
    if min(has_fake.sum(), has_genuine.sum()) < MIN_SPEAKERS_PER_CLASS:
        return Intervals(auc=None, average_precision=None)
    strata = [
        np.flatnonzero(mask)
        for mask in (has_fake & ~has_genuine, has_genuine & ~has_fake, has_fake & has_genuine)
        if mask.any()
    ]
    ranking = Ranking(fake, evidence)
    generator = np.random.default_rng(seed)
    aucs: list[float] = []
    precisions: list[float] = []
    for _ in range(resamples):
        drawn = np.zeros(len(names), np.int64)
        for stratum in strata:
            np.add.at(drawn, generator.choice(stratum, len(stratum)), 1)
        weights = drawn[speaker_of]
        area, precision = ranking.auc(weights), ranking.average_precision(weights)
        if area is not None and precision is not None:
            aucs.append(area)
            precisions.append(precision)
    return Intervals(auc=_interval(aucs, confidence), average_precision=_interval(precisions, confidence))


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAuc:
    """AUC over repeated random draws.

    Attributes:
        mean: Mean over the draws.
        deviation: Standard deviation over the draws.
        draws: Number of draws.
        genuine: Genuine clips in a draw.
        fakes: Fakes in a draw.
    """

    mean: float
    deviation: float
    draws: int
    genuine: int
    fakes: int


def auc_over_draws(
    is_fake: npt.ArrayLike,
    evidence: npt.ArrayLike,
    *,
    genuine: int,
    fakes: int,
    draws: int,
    seed: int = 0,
) -> DrawnAuc | None:
    """Return mean and deviation of the AUC over random draws without replacement.

    The paper's protocol for KoDF (Sec. 5.2) draws 276 originals and 544 synthesised videos 1000 times.

    Returns:
        The summary; None where there are fewer clips than a draw needs.
    """
    fake = np.asarray(is_fake, np.bool_)
    values = np.asarray(evidence, np.float64)
    fake_indices, genuine_indices = np.flatnonzero(fake), np.flatnonzero(~fake)
    if len(fake_indices) < fakes or len(genuine_indices) < genuine:
        return None
    generator = np.random.default_rng(seed)
    aucs = np.empty(draws)
    for draw in range(draws):
        chosen = np.r_[
            generator.choice(fake_indices, fakes, replace=False),
            generator.choice(genuine_indices, genuine, replace=False),
        ]
        area = Ranking(fake[chosen], values[chosen]).auc()
        aucs[draw] = np.nan if area is None else area
    return DrawnAuc(
        mean=float(aucs.mean()), deviation=float(aucs.std(ddof=1)), draws=draws, genuine=genuine, fakes=fakes
    )


def _interval(values: list[float], confidence: float) -> Interval | None:
    if not values:
        return None
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)
