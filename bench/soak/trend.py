"""Whether a quantity grows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MOST_SAMPLES = 1000
"""The slope is a median over all pairs; of more samples evenly spaced ones are taken."""
_END_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something that must not grow.

    Attributes:
        field: Of a sample.
        name: For the reader.
        unit: Of the values.
        allowance: Growth over the whole measurement that is taken for settling and chance.
    """

    field: str
    name: str
    unit: str
    allowance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a quantity developed.

    Attributes:
        start: Median of the first tenth.
        end: Median of the last tenth.
        slope_per_h: Median slope over all pairs of samples (Theil and Sen), which single peaks do not move.
        growth: That slope over the whole measurement.
        growing: Whether the growth is more than the allowance.
    """

    start: float
    end: float
    slope_per_h: float
    growth: float
    growing: bool

    @property
    def verdict(self) -> str:
        """In a word."""
        return "growing" if self.growing else "flat"


def trend_of(hours: Sequence[float], values: Sequence[float], allowance: float) -> Trend:
    """Return the trend of a quantity.

    Args:
        hours: Rising.
        values: One each; at least two.
        allowance: As ``Quantity`` has it.

    Raises:
        ValueError: For fewer than two samples.
    """
    if len(values) < 2:
        raise ValueError("a trend needs two samples")
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_SAMPLES)).round().astype(int))
    times, amounts = np.asarray(hours, np.float64)[chosen], np.asarray(values, np.float64)[chosen]
    first, second = np.triu_indices(len(chosen), 1)
    slope = float(np.median((amounts[second] - amounts[first]) / (times[second] - times[first])))
    growth = slope * (hours[-1] - hours[0])
    ends = max(1, round(len(values) * _END_SHARE))
    return Trend(
        start=float(np.median(values[:ends])),
        end=float(np.median(values[-ends:])),
        slope_per_h=slope,
        growth=growth,
        growing=growth > allowance,
    )
