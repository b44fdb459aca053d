"""Two-sided evidence: how untypical of genuine speech a clip is, in either direction.

A one-sided score cannot see a generator that is more in sync, or steadier in identity, than a person. So each
statistic is ranked among genuine reference clips, and both ends of the ranking count.

Rule. In the set of the reference and the clip itself, the two-sided rank p-value of a statistic is
``min(1, 2 min(share at or below, share at or above))``. A clip's evidence is the sum of ``-log p`` over its
statistics (or their maximum). Its conformal p-value is the share of the set with at least as much evidence.
As all members are treated alike, the conformal p-value of a genuine clip that is exchangeable with the
reference is super-uniform: P(p <= a) <= a (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World",
Prop. 2.8), however the statistics depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Rule = Literal["sum", "max"]

#: Under it the smallest two-sided p-value, 2 / (n + 1), would exceed 0.1: no reference at all.
MIN_REFERENCE = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Typicality:
    """How typical one clip is.

    Attributes:
        p_values: float64, shape (S,): two-sided rank p-value per statistic, in (0, 1].
        evidence: Combined ``-log p`` of the statistics; the higher, the less typical.
        p_value: Conformal p-value of the evidence, in (0, 1].
    """

    p_values: Float64
    evidence: float
    p_value: float


def typicality(statistics: npt.ArrayLike, reference: npt.ArrayLike, rule: Rule = "sum") -> Typicality | None:
    """Place a clip among genuine ones.

    Args:
        statistics: Finite, shape (S,).
        reference: Finite, shape (n, S): the statistics of genuine clips of like quality.
        rule: How the statistics are combined.

    Returns:
        The typicality; None with fewer than ``MIN_REFERENCE`` reference clips.

    Raises:
        ValueError: If the shapes do not fit or a value is not finite.
    """
    clip = np.asarray(statistics, np.float64)
    genuine = np.asarray(reference, np.float64)
    if clip.ndim != 1 or genuine.ndim != 2 or genuine.shape[1] != len(clip):
        raise ValueError(f"expected (S,) and (n, S), got {clip.shape} and {genuine.shape}")
    if not (np.isfinite(clip).all() and np.isfinite(genuine).all()):
        raise ValueError("statistics must be finite")
    if len(genuine) < MIN_REFERENCE:
        return None
    p_values = two_sided_ranks(np.vstack([clip, genuine]))
    surprise = -np.log(p_values)
    evidence = surprise.sum(axis=1) if rule == "sum" else surprise.max(axis=1)
    at_least = np.count_nonzero(evidence >= evidence[0] - 1e-12)
    return Typicality(p_values=p_values[0], evidence=float(evidence[0]), p_value=at_least / len(evidence))


def two_sided_ranks(members: npt.ArrayLike) -> Float64:
    """Return the two-sided rank p-value of each member among all of them, column by column.

    Args:
        members: Finite, shape (m, S).

    Returns:
        float64, shape (m, S), in (0, 1]; ties count towards both sides.
    """
    values = np.asarray(members, np.float64)
    count = len(values)
    ranks = np.empty_like(values)
    for column in range(values.shape[1]):
        ordered = np.sort(values[:, column])
        at_or_below = np.searchsorted(ordered, values[:, column], side="right")
        at_or_above = count - np.searchsorted(ordered, values[:, column], side="left")
        ranks[:, column] = np.minimum(1.0, 2.0 * np.minimum(at_or_below, at_or_above) / count)
    return ranks
