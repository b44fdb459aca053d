"""The paper's intra-modal comparison: identity against identity, one row at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.similarity.histogram import SimilarityHistogram
from realtime.similarity.ring import ROW_PADDING, WindowRing, as_cosines, require_unit_rows
from realtime.types import Embedding, Float32, Modality, Seam, SimilarityMatrix, read_only


class SelfSimilarity:
    """T x T cosine similarities of the newest T <= N identity embeddings, and their percentile.

    An update costs one matrix-vector product and O(N) for the eviction; all arrays are allocated at the
    start. The histogram holds the full T x T matrix, diagonal included, as in Sec. 4 of Tian et al.,
    "Unsupervised Multimodal Deepfake Detection Using Intra- and Cross-Modal Inconsistencies".

    Args:
        capacity: N, windows remembered.
        dimension: D, length of an embedding.
        percentile: n of the paper's Score_intra, in [0, 100].
    """

    def __init__(self, capacity: int, dimension: int, percentile: float) -> None:
        self._percentile = percentile
        self._ring = WindowRing(capacity)
        self._vectors = np.zeros((capacity, dimension), np.float32)
        self._matrix = np.zeros((capacity, capacity + ROW_PADDING), np.float32)[:, :capacity]
        self._often = np.full(capacity, 2, np.int64)
        self._histogram = SimilarityHistogram()

    @property
    def count(self) -> int:
        """Windows T in memory."""
        return self._ring.count

    @property
    def score(self) -> float | None:
        """The paper's Score_intra: the n-th percentile of the T x T matrix; None while it is empty.

        It differs from the exact percentile by less than ``SimilarityHistogram.bin_width``.
        """
        return self.percentile(self._percentile)

    def percentile(self, percent: float) -> float | None:
        """Return any percentile of the T x T matrix; None while it is empty."""
        return self._histogram.percentile(percent) if self.count else None

    def update(self, embedding: Embedding) -> Float32:
        """Take the identity of the next window.

        Args:
            embedding: Unit-norm identity embedding, dimension D.

        Returns:
            float32, shape (T - 1,), in [-1, 1]: its similarity to the windows now in memory, oldest first,
            itself excluded. A window that this update evicts is not among them.

        Raises:
            ValueError: If the embedding has another dimension or is not of unit norm.
        """
        vector = embedding.vector
        require_unit_rows(vector[np.newaxis], self._vectors.shape[1])
        slot = self._ring.next_slot
        if self._ring.full:
            self._histogram.remove(self._matrix[slot], self._multiplicity(slot))
        self._vectors[slot] = vector
        self._ring.push(embedding.window_index, embedding.span)
        count = self._ring.count
        row = as_cosines(self._vectors[:count] @ vector)
        self._matrix[slot, :count] = row
        self._matrix[:count, slot] = row
        self._histogram.add(row, self._multiplicity(slot)[:count])
        return self._ring.earlier(row)

    def matrix(self) -> SimilarityMatrix:
        """Return a snapshot; ``worst`` is the lowest pair of two different windows, row before column."""
        values = self._chronological()
        worst: tuple[int, int] | None = None
        if self.count > 1:
            worst = _lowest(_above_diagonal(values))
        return SimilarityMatrix(values=read_only(values), spans=self._ring.spans(), worst=worst)

    def seams(self, count: int) -> tuple[Seam, ...]:
        """Return at most ``count`` pairs of windows that disagree most, worst first; O(count * N^2).

        Both windows of a pair are moments of their own: no window overlaps one of a worse pair, so that one
        bad moment is shown once and not against every other window. Span ``a`` is the earlier one.
        """
        slots = self._ring.slots()
        values = _above_diagonal(self._chronological())
        seams: list[Seam] = []
        while len(seams) < count and values.size:
            row, column = _lowest(values)
            value = float(values[row, column])
            if value == np.inf:
                break
            first, second = int(slots[row]), int(slots[column])
            seams.append(
                Seam(kind=Modality.INTRA, a=self._ring.span(first), b=self._ring.span(second), value=value)
            )
            taken = self._ring.same_moment(first, slots) | self._ring.same_moment(second, slots)
            values[taken, :] = np.inf
            values[:, taken] = np.inf
        return tuple(seams)

    def _multiplicity(self, slot: int) -> npt.NDArray[np.int64]:
        """Return how often the cells of a slot's row are in the matrix: its column is the same again."""
        self._often[:] = 2
        self._often[slot] = 1
        return self._often

    def _chronological(self) -> Float32:
        slots = self._ring.slots()
        return self._matrix[np.ix_(slots, slots)]


def _above_diagonal(values: Float32) -> Float32:
    below = np.tri(len(values), dtype=np.bool_)
    return np.where(below, np.float32(np.inf), values)


def _lowest(values: Float32) -> tuple[int, int]:
    row, column = divmod(int(np.argmin(values)), values.shape[1])
    return row, column
