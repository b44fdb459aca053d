"""A few unit vectors that stand for the looks of one person. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.types import Float32, read_only

Float64 = npt.NDArray[np.float64]


class Prototypes:
    """Groups embeddings of one person by look, and keeps the mean direction of each group.

    An embedding joins the group whose mean it is most like, or begins one of its own where it is unlike all
    of them and there is room. What came first therefore stays apart from what came later.

    Args:
        capacity: Groups at most; at least 1.
        novel_below: Similarity to every mean under which an embedding is another look, in [-1, 1].
    """

    def __init__(self, capacity: int, novel_below: float) -> None:
        self._capacity = capacity
        self._novel_below = novel_below
        self._sums: list[Float64] = []
        self._weights: list[float] = []

    def add(self, vector: Float32, weight: float) -> None:
        """Take an embedding.

        Args:
            vector: Unit norm.
            weight: How much it counts, above 0.
        """
        weighted = weight * vector.astype(np.float64)
        if self._sums:
            similarities = self.means() @ vector
            nearest = int(np.argmax(similarities))
            if similarities[nearest] >= self._novel_below or len(self._sums) == self._capacity:
                self._sums[nearest] = self._sums[nearest] + weighted
                self._weights[nearest] += weight
                return
        self._sums.append(weighted)
        self._weights.append(weight)

    @property
    def weight(self) -> float:
        """Of everything added."""
        return sum(self._weights)

    def first_similarity(self, vector: Float32) -> float:
        """Return the cosine similarity of a unit vector to the mean of the group that began first.

        Raises:
            ValueError: If there is none.
        """
        return nearest_similarity(self.means()[:1], vector)

    def heaviest(self) -> Float32:
        """Return the mean of the group with the highest weight, the earlier one of equals: shape (D,).

        Raises:
            ValueError: If there is none.
        """
        return unit(self._sums[int(np.argmax(self._weights))])

    def means(self) -> Float32:
        """Return the means: float32, shape (k, D), unit-norm rows, in the order in which they began."""
        return np.stack([unit(total) for total in self._sums])


def unit(vector: npt.NDArray[np.floating]) -> Float32:
    """Return a vector's direction as a read-only unit vector; zeros stay zero."""
    norm = float(np.linalg.norm(vector))
    return read_only(np.asarray(vector / norm if norm > 0 else vector, np.float32))


def nearest_similarity(rows: Float32, vector: Float32) -> float:
    """Return the highest cosine similarity of a unit vector to unit rows, in [-1, 1].

    Raises:
        ValueError: If there are no rows.
    """
    return float(np.clip(np.max(rows @ vector), -1.0, 1.0))
