"""One measured quantity, with a value for each run."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A quantity that was measured in one or more runs.

    Attributes:
        name: What was measured; unique in a result, and the same from release to release.
        unit: Such as ``ms``; empty for a plain number.
        values: One a run, in the order of the runs; finite, at least one.
        better: Which way is an improvement.
        bar: What the median has to reach.

    Raises:
        ValueError: If there is no value, one is not finite, or there is a bar without a direction.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    better: Better
    bar: float | None = None

    def __post_init__(self) -> None:
        if not self.values or not all(map(math.isfinite, self.values)):
            raise ValueError(f"{self.name}: a figure needs finite values, one a run, not {self.values}")
        if self.bar is not None and (self.better == "neither" or not math.isfinite(self.bar)):
            raise ValueError(f"{self.name}: a bar is a finite number and needs a better direction")

    @property
    def median(self) -> float:
        """The median over the runs."""
        return statistics.median(self.values)

    @property
    def lowest(self) -> float:
        """The lowest value of a run."""
        return min(self.values)

    @property
    def highest(self) -> float:
        """The highest value of a run."""
        return max(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the bar; None without a bar."""
        if self.bar is None:
            return None
        return self.median <= self.bar if self.better == "lower" else self.median >= self.bar
