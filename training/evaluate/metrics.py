"""Ranking metrics with ties handled exactly: AUC, average precision, ROC points, equal error rate.

Throughout, ``is_fake`` marks the positives and a higher ``evidence`` speaks for a fake. Weights count a clip
several times (bootstrap) or not at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


class Ranking:
    """Clips sorted once by evidence, so that reweighted metrics cost O(n).

    Args:
        is_fake: bool, shape (n,).
        evidence: Finite, shape (n,).

    Raises:
        ValueError: If the shapes differ or evidence is not finite.
    """

    def __init__(self, is_fake: npt.ArrayLike, evidence: npt.ArrayLike) -> None:
        fake = np.asarray(is_fake, np.bool_)
        values = np.asarray(evidence, np.float64)
        if fake.ndim != 1 or fake.shape != values.shape:
            raise ValueError(f"expected two vectors of one length, got {fake.shape} and {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("evidence must be finite")
        self._order = np.argsort(-values, kind="stable")
        self._fake = fake[self._order]
        ordered = values[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
        self.thresholds: Float64 = ordered[self._starts]

    def tallies(self, weights: npt.NDArray[Any] | None = None) -> tuple[Float64, Float64]:
        """Return the weight of fakes and of genuine clips at each distinct evidence, highest first."""
        if not len(self._order):
            return np.zeros(0), np.zeros(0)
        weight = (
            np.ones(len(self._order)) if weights is None else np.asarray(weights, np.float64)[self._order]
        )
        fakes = np.add.reduceat(np.where(self._fake, weight, 0.0), self._starts)
        genuine = np.add.reduceat(np.where(self._fake, 0.0, weight), self._starts)
        return fakes, genuine

    def auc(self, weights: npt.NDArray[Any] | None = None) -> float | None:
        """Return the probability that a fake carries more evidence than a genuine clip, ties counted half.

        None where a class is missing.
        """
        fakes, genuine = self.tallies(weights)
        pairs = fakes.sum() * genuine.sum()
        if pairs <= 0:
            return None
        weaker_genuine = genuine.sum() - np.cumsum(genuine)
        return float(np.sum(fakes * (weaker_genuine + 0.5 * genuine)) / pairs)

    def average_precision(self, weights: npt.NDArray[Any] | None = None) -> float | None:
        """Return the step-wise area under precision over recall, fakes positive; None without fakes.

        Clips of equal evidence enter together, so that the value does not depend on their order.
        """
        fakes, genuine = self.tallies(weights)
        total = fakes.sum()
        if total <= 0:
            return None
        found, taken = np.cumsum(fakes), np.cumsum(fakes + genuine)
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        return float(np.sum(fakes * precision) / total)

    def roc(self) -> tuple[Float64, Float64]:
        """Return false and true positive rate after each distinct evidence, from (0, 0) to (1, 1).

        Raises:
            ValueError: If a class is missing.
        """
        fakes, genuine = self.tallies()
        if fakes.sum() <= 0 or genuine.sum() <= 0:
            raise ValueError("a ROC curve needs fakes and genuine clips")
        false_rate = np.r_[0.0, np.cumsum(genuine) / genuine.sum()]
        true_rate = np.r_[0.0, np.cumsum(fakes) / fakes.sum()]
        return false_rate, true_rate


def auc(is_fake: npt.ArrayLike, evidence: npt.ArrayLike) -> float | None:
    """Return the area under the ROC curve; None where a class is missing. See ``Ranking.auc``."""
    return Ranking(is_fake, evidence).auc()


def average_precision(is_fake: npt.ArrayLike, evidence: npt.ArrayLike) -> float | None:
    """Return the average precision; None without fakes. See ``Ranking.average_precision``."""
    return Ranking(is_fake, evidence).average_precision()


def roc_points(is_fake: npt.ArrayLike, evidence: npt.ArrayLike) -> tuple[Float64, Float64]:
    """Return false and true positive rates. See ``Ranking.roc``."""
    return Ranking(is_fake, evidence).roc()


def equal_error_rate(is_fake: npt.ArrayLike, evidence: npt.ArrayLike) -> float | None:
    """Return the error rate where misses and false alarms are equally frequent.

    The ROC curve is taken as linear between its points. None where a class is missing.
    """
    ranking = Ranking(is_fake, evidence)
    if ranking.auc() is None:
        return None
    false_rate, true_rate = ranking.roc()
    excess = false_rate - (1.0 - true_rate)
    after = int(np.argmax(excess >= 0))
    before = after - 1
    step = -excess[before] / (excess[after] - excess[before])
    return float(false_rate[before] + step * (false_rate[after] - false_rate[before]))
