"""Bookkeeping shared by the similarity rings: which slot holds which window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.types import Bool, Float32, TimeSpan

#: How far the norm of an embedding may be from one.
NORM_TOLERANCE = 1e-3
_LEAST_SQUARE, _MOST_SQUARE = (1.0 - NORM_TOLERANCE) ** 2, (1.0 + NORM_TOLERANCE) ** 2
#: Further cells at the end of a matrix's rows: where these are as long as a power of two, the cells of a
#: column would compete for a few lines of the processor's cache.
ROW_PADDING = 16


class WindowRing:
    """Hands out the slots of a ring and remembers the window in each. The slots in use are ``[0, count)``.

    Args:
        capacity: Number of slots N.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a ring needs at least one slot, got {capacity}")
        self.capacity = capacity
        self.count = 0
        self.next_slot = 0
        self._indices = np.zeros(capacity, np.int64)
        self._starts_ns = np.zeros(capacity, np.int64)
        self._ends_ns = np.zeros(capacity, np.int64)

    @property
    def full(self) -> bool:
        """Whether the next slot still holds the oldest window."""
        return self.count == self.capacity

    def push(self, window_index: int, span: TimeSpan) -> int:
        """Put a window into ``next_slot``, over the oldest one in a full ring, and return the slot."""
        slot = self.next_slot
        self._indices[slot] = window_index
        self._starts_ns[slot] = span.start_ns
        self._ends_ns[slot] = span.end_ns
        self.next_slot = (slot + 1) % self.capacity
        self.count = min(self.count + 1, self.capacity)
        return slot

    def slots(self) -> npt.NDArray[np.intp]:
        """Return the slots in use, oldest window first, shape (count,)."""
        return self.newest_slots(self.count)

    def newest_slots(self, windows: int) -> npt.NDArray[np.intp]:
        """Return the slots of so many of the newest windows at most, the oldest of them first; O(windows)."""
        wanted = min(windows, self.count)
        return (self.next_slot - wanted + np.arange(wanted)) % self.capacity

    def earlier(self, values: Float32) -> Float32:
        """Return the values of the slots in use, oldest first, less the newest one's: shape (count - 1,)."""
        newest = (self.next_slot - 1) % self.capacity
        return np.concatenate((values[newest + 1 :], values[:newest]))

    def window_indices(self, slots: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Return the window index held by each slot."""
        return self._indices[slots]

    def span(self, slot: int) -> TimeSpan:
        """Return the span of the window in a slot."""
        return TimeSpan(start_ns=int(self._starts_ns[slot]), end_ns=int(self._ends_ns[slot]))

    def spans(self) -> tuple[TimeSpan, ...]:
        """Return the spans of the windows held, oldest first."""
        return tuple(self.span(int(slot)) for slot in self.slots())

    def same_moment(self, slot: int, slots: npt.NDArray[np.intp]) -> Bool:
        """Return which of the slots hold a window that overlaps the one in ``slot``, itself included."""
        overlap = (self._starts_ns[slots] < self._ends_ns[slot]) & (
            self._ends_ns[slots] > self._starts_ns[slot]
        )
        return np.asarray(overlap | (slots == slot), np.bool_)


def require_unit_rows(rows: Float32, dimension: int) -> None:
    """Refuse embeddings that a dot product would not turn into a cosine.

    Args:
        rows: float32, shape (n, D).
        dimension: The D that the ring was made for.

    Raises:
        ValueError: If D differs or a row is not of unit norm.
    """
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"expected embeddings of dimension {dimension}, got shape {rows.shape}")
    squares = np.einsum("nd,nd->n", rows, rows)
    if len(squares) and not (squares.min() >= _LEAST_SQUARE and squares.max() <= _MOST_SQUARE):
        raise ValueError("an embedding is not of unit norm")


def as_cosines(products: Float32) -> Float32:
    """Keep the dot products of unit vectors, off by rounding, inside [-1, 1]; in place, NaN stays."""
    return np.minimum(np.maximum(products, -1.0, out=products), 1.0, out=products)
