"""The same scores and matrices from scratch, for every window: what the rings save."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.types import Embedding, Float32, LagEmbeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What one pass over the memory gives.

    Attributes:
        intra: Score_intra, exact.
        band_means: Mean similarity at every lag, shape (L,).
        intra_matrix: T x T.
        cross_matrix: T x T at lag zero; None where it was not asked for.
    """

    intra: float
    band_means: Float32
    intra_matrix: Float32
    cross_matrix: Float32 | None


class Recomputation:
    """Holds the newest T windows' embeddings in arrays that never move, and computes with whole arrays.

    Args:
        capacity: T.
        identity_dimension: Length of an identity embedding.
        speech_dimension: Length of an embedding of lips or voice.
        lags: L.
        percentile: n of Score_intra.
    """

    def __init__(
        self, capacity: int, *, identity_dimension: int, speech_dimension: int, lags: int, percentile: float
    ) -> None:
        self._percentile = percentile
        self._identities = np.zeros((capacity, identity_dimension), np.float32)
        self._lips = np.zeros((capacity, speech_dimension), np.float32)
        self._voices = np.zeros((capacity, lags, speech_dimension), np.float32)
        self._taken = 0

    def take(self, identity: Embedding, lips: Embedding, voice: LagEmbeddings) -> None:
        """Take the next window, over the oldest one where there is no room."""
        slot = self._taken % len(self._lips)
        self._identities[slot] = identity.vector
        self._lips[slot] = lips.vector
        self._voices[slot] = voice.vectors
        self._taken += 1

    def compute(self, *, cross_matrix: bool) -> Recomputed:
        """Compute everything anew.

        Args:
            cross_matrix: Whether the T x T matrix of lips and voice is wanted, which no score needs.
        """
        held = min(self._taken, len(self._lips))
        identities, lips, voices = self._identities[:held], self._lips[:held], self._voices[:held]
        matrix = np.clip(identities @ identities.T, -1.0, 1.0)
        at_zero = voices[:, voices.shape[1] // 2]
        return Recomputed(
            intra=float(np.percentile(matrix, self._percentile)),
            band_means=np.clip(np.einsum("tld,td->tl", voices, lips), -1.0, 1.0).mean(axis=0),
            intra_matrix=matrix,
            cross_matrix=np.clip(lips @ at_zero.T, -1.0, 1.0) if cross_matrix else None,
        )
