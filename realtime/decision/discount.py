"""How much of the evidence of genuine blocks is left once they are told apart from their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from realtime.errors import CalibrationError

_STEPS = np.arange(20, 0, -1) / 20.0
_RESAMPLES = 500
_CONFIDENCE = 0.9
#: People who never differ at all have sums of zero but for rounding.
_ROUNDING = 1e-9


def discount(sums: Sequence[npt.NDArray[np.float64]]) -> float:
    """Return the power that e-values are to be raised to.

    A power in (0, 1] of an e-value is one (Jensen). Independent genuine blocks may be multiplied as they are;
    with what neighbours share, their product over a run, exp(S) with S the sum of the logarithms, has a mean
    above 1. The power sought is the largest p, in steps of 0.05, for which exp(p S) has a mean of at most 1,
    both as found and for a normal S of the same mean and variance: the former sees skew, the latter the tails
    that a few runs cannot show. As speakers are few, it must hold in 90 % of 500 resamples of them.

    Args:
        sums: For every speaker the sum S over each run of a horizon's length, tested against the others.

    Raises:
        CalibrationError: If no power will do.
    """
    people = np.random.default_rng(0).integers(0, len(sums), size=(_RESAMPLES, len(sums)))
    mean = np.array([np.mean(each) for each in sums])[people].mean(axis=1)
    square = np.array([np.mean(np.square(each)) for each in sums])[people].mean(axis=1)
    variance = np.maximum(square - mean**2, 0.0)
    for power in _STEPS:
        found = np.array([np.mean(np.exp(power * each)) for each in sums])[people].mean(axis=1)
        holds = (found <= 1.0 + _ROUNDING) & (mean + power * variance / 2.0 <= _ROUNDING)
        if float(holds.mean()) >= _CONFIDENCE:
            return float(power)
    raise CalibrationError(
        "The genuine recordings contradict each other: against the others, too many speakers look fake.",
        fix="Remove recordings that are dubbed or out of sync, or add more people.",
    )
