"""Statistics of a clip in which both too little and too much consistency shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from realtime.types import Float32

#: The paper's Score_intra is a low percentile of the self-similarity; here without the diagonal of ones.
LOW_PERCENTILE = 5.0

#: Lengths, in speech windows, at which clips are compared with each other.
PIECE_WINDOWS = (4, 8, 16, 32)

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


def piece_statistics(trace: ClipTrace) -> dict[int, tuple[dict[str, float], ...]]:
    """Cut the trace into pieces that follow each other, and return the statistics of each.

    Returns:
        For each length of ``PIECE_WINDOWS`` that the trace holds, in speech windows, its pieces. Identity
        is cut at the same fractions of the clip, since it also has windows without speech.
    """
    speech, faces = len(trace.lag_profiles), len(trace.identity)
    found: dict[int, tuple[dict[str, float], ...]] = {}
    for length in PIECE_WINDOWS:
        edges = [length * index for index in range(speech // length + 1)]
        pieces = []
        for first, end in pairwise(edges):
            seen = slice(first * faces // speech, end * faces // speech)
            piece = ClipTrace(identity=trace.identity[seen, seen], lag_profiles=trace.lag_profiles[first:end])
            pieces.append(clip_statistics(piece))
        if pieces:
            found[length] = tuple(pieces)
    return found


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
