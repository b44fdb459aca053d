"""How a cost grows with a size, read off its course in double logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return p of the power law ``size ** p`` that fits best, by least squares of the logarithms.

    Args:
        sizes: Above 0, at least two different ones.
        costs: Above 0, one a size.

    Raises:
        ValueError: If there are too few sizes, or one or a cost is not positive.
    """
    if len(set(sizes)) < 2 or len(sizes) != len(costs) or min(*sizes, *costs) <= 0:
        raise ValueError("a growth needs positive costs of at least two sizes")
    slope, _ = np.polyfit(np.log(sizes), np.log(costs), 1)
    return float(slope)
