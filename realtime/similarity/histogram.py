"""Percentiles of a changing multiset of similarities, without sorting."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

BINS = 4096

Multiplicity = int | npt.NDArray[np.int64]


class SimilarityHistogram:
    """Counts of similarities in equal bins over [-1, 1].

    Adding and removing costs O(values), the first percentile after it O(bins); memory is fixed. Every order
    statistic is placed inside its own bin, so a percentile differs from ``numpy.percentile`` (linear
    interpolation) over the same values by less than ``bin_width``.

    Args:
        bins: Number of bins.
    """

    def __init__(self, bins: int = BINS) -> None:
        if bins < 1:
            raise ValueError(f"a histogram needs at least one bin, got {bins}")
        self._counts = np.zeros(bins, np.int64)
        self._cumulative: npt.NDArray[np.int64] | None = None
        self._total = 0

    @property
    def bin_width(self) -> float:
        """Width of a bin: the error bound of ``percentile``."""
        return 2.0 / len(self._counts)

    @property
    def total(self) -> int:
        """Number of values held, multiplicity included."""
        return self._total

    def add(self, values: npt.ArrayLike, multiplicity: Multiplicity = 1) -> None:
        """Add every value ``multiplicity`` times.

        Args:
            values: Similarities, shape (n,), in [-1, 1]; rounding beyond the ends counts as the end.
            multiplicity: How often each value is added; one number for all, or of shape (n,).

        Raises:
            ValueError: If a value is not finite.
        """
        bins = self._bins(values)
        np.add.at(self._counts, bins, multiplicity)
        self._total += _times(multiplicity, len(bins))
        self._cumulative = None

    def remove(self, values: npt.ArrayLike, multiplicity: Multiplicity = 1) -> None:
        """Take every value out ``multiplicity`` times.

        Args:
            values: Similarities that were added before, shape (n,).
            multiplicity: How often each value is removed; one number for all, or of shape (n,).

        Raises:
            ValueError: If a value is not finite or is not held that often; nothing is removed then.
        """
        bins = self._bins(values)
        np.subtract.at(self._counts, bins, multiplicity)
        if (self._counts[bins] < 0).any():
            np.add.at(self._counts, bins, multiplicity)
            raise ValueError("a similarity is removed that the histogram does not hold")
        self._total -= _times(multiplicity, len(bins))
        self._cumulative = None

    def percentile(self, percent: float) -> float:
        """Return the percentile of the values held, in [-1, 1].

        Args:
            percent: In [0, 100].

        Raises:
            ValueError: If ``percent`` is out of range or the histogram is empty.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile lies between 0 and 100, got {percent}")
        if self._total == 0:
            raise ValueError("an empty histogram has no percentile")
        position = percent / 100 * (self._total - 1)
        lower = math.floor(position)
        upper = min(lower + 1, self._total - 1)
        if self._cumulative is None:
            self._cumulative = np.cumsum(self._counts)
        cumulative = self._cumulative
        low = self._order_statistic(lower, cumulative)
        high = self._order_statistic(upper, cumulative)
        return low + (position - lower) * (high - low)

    def _order_statistic(self, rank: int, cumulative: npt.NDArray[np.int64]) -> float:
        index = int(cumulative.searchsorted(rank, side="right"))
        inside = int(self._counts[index])
        before = int(cumulative[index]) - inside
        return -1.0 + self.bin_width * (index + (rank - before + 0.5) / inside)

    def _bins(self, values: npt.ArrayLike) -> npt.NDArray[np.intp]:
        similarities = np.asarray(values, np.float64)
        if not np.isfinite(similarities).all():
            raise ValueError("a similarity is not finite")
        scaled = similarities + 1.0
        scaled *= 0.5 * len(self._counts)
        np.maximum(scaled, 0.0, out=scaled)
        np.minimum(scaled, len(self._counts) - 1, out=scaled)
        return scaled.astype(np.intp)


def _times(multiplicity: Multiplicity, values: int) -> int:
    return multiplicity * values if isinstance(multiplicity, int) else int(multiplicity.sum())
