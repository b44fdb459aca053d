"""Statistics of a clip in which both too little and too much consistency shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.types import Float32

#: The paper's Score_intra is a low percentile of the self-similarity; here without the diagonal of ones.
LOW_PERCENTILE = 5.0

INTRA_STATISTICS = ("identity_low", "identity_spread")
CROSS_STATISTICS = ("sync_best", "sync_rise", "sync_spread", "lag_scatter")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTrace:
    """The similarities behind a clip's score.

    Attributes:
        identity: float32, shape (T, T): identity self-similarity, in [-1, 1].
        lag_profiles: float32, shape (W, L): similarity of lips and voice of each speech window at each lag
            of the band, in [-1, 1]; NaN where that audio is missing.
    """

    identity: Float32
    lag_profiles: Float32


def clip_statistics(trace: ClipTrace) -> dict[str, float]:
    """Return the statistics that the trace allows.

    - ``identity_low``: 5th percentile of the similarity of two windows; ``identity_spread``: its deviation.
    - ``sync_best``: mean similarity of lips and voice at the clip's best lag; ``sync_rise``: its height over
      the median of all lags; ``sync_spread``: deviation over the windows at that lag; ``lag_scatter``: mean
      distance in ticks of the windows' own best lags from it.

    A single window has no spread: its deviations are 0 and its ``identity_low`` is 1, the same for all such
    clips and so without influence on a typicality among them.
    """
    return {**_identity_statistics(trace.identity), **_sync_statistics(trace.lag_profiles)}


def _identity_statistics(identity: Float32) -> dict[str, float]:
    count = len(identity)
    if count == 0:
        return {}
    pairs = identity[np.triu_indices(count, 1)].astype(np.float64)
    if not len(pairs):
        pairs = np.ones(1)
    return {
        "identity_low": float(np.percentile(pairs, LOW_PERCENTILE)),
        "identity_spread": float(pairs.std()),
    }


def _sync_statistics(lag_profiles: Float32) -> dict[str, float]:
    profiles = lag_profiles.astype(np.float64)
    profiles = profiles[np.isfinite(profiles).any(axis=1)] if len(profiles) else profiles
    if not len(profiles):
        return {}
    heard = np.isfinite(profiles)
    counts = heard.sum(axis=0)
    means = np.where(heard, profiles, 0.0).sum(axis=0) / np.maximum(counts, 1)
    usable = 2 * counts >= counts.max()
    best = int(np.argmax(np.where(usable, means, -np.inf)))
    at_best = profiles[heard[:, best], best]
    own_best = np.argmax(np.where(heard, profiles, -np.inf), axis=1)
    return {
        "sync_best": float(means[best]),
        "sync_rise": float(means[best] - np.median(means[usable])),
        "sync_spread": float(at_best.std()),
        "lag_scatter": float(np.abs(own_best - best).mean()),
    }
