"""The paper's cross-modal comparison: lips against voice, along a band of lags."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.similarity.ring import ROW_PADDING, WindowRing, as_cosines, require_unit_rows
from realtime.timebase import TICK_NS
from realtime.types import (
    Embedding,
    Float32,
    LagEmbeddings,
    Modality,
    Seam,
    SimilarityMatrix,
    TimeSpan,
    read_only,
)

#: Similarities are rounded to multiples of 2^-40 and a ring holds at most 2^12 of them, so that every
#: running sum is a multiple of 2^-40 under 2^12: exact in float64, free of drift after any number of
#: evictions.
_GRID = 2.0**40
MAX_CAPACITY = 4096


class CrossSimilarity:
    """Similarities of the newest T <= N windows' lips and voice.

    For each lag a running sum and count along the ring: O(L D) per update, whatever N is. For display there
    is the T x T matrix at lag zero: O(N D) for every window since it was last asked for. All arrays are
    allocated at the start.

    Args:
        capacity: N, windows remembered, at most ``MAX_CAPACITY``.
        dimension: D, length of an embedding.
        band_ticks: B; lags run from -B to B ticks, L = 2 B + 1.
    """

    def __init__(self, capacity: int, dimension: int, band_ticks: int) -> None:
        if capacity > MAX_CAPACITY:
            raise ValueError(f"a cross-similarity ring holds at most {MAX_CAPACITY} windows, got {capacity}")
        lags = 2 * band_ticks + 1
        self._band_ticks = band_ticks
        self._ring = WindowRing(capacity)
        self._visual = np.zeros((capacity, dimension), np.float32)
        self._audio = np.zeros((capacity, dimension), np.float32)
        self._matrix = np.full((capacity, capacity + ROW_PADDING), np.nan, np.float32)[:, :capacity]
        #: How many of the newest windows the matrix still lacks, and how many were held with each window.
        self._unfilled = 0
        self._held_with = np.zeros(capacity, np.int64)
        self._by_lag = np.full((capacity, lags), np.nan, np.float32)
        self._sums = np.zeros(lags, np.float64)
        self._counts = np.zeros(lags, np.int64)

    @property
    def count(self) -> int:
        """Windows T in memory."""
        return self._ring.count

    @property
    def score(self) -> float | None:
        """The paper's Score_cross: mean of the main diagonal (lag zero); None without a valid window."""
        return self.mean_at(0)

    @property
    def lag_counts(self) -> npt.NDArray[np.int64]:
        """Windows with a value at each lag, shape (L,)."""
        return self._counts.copy()

    def update(self, visual: Embedding, audio: LagEmbeddings) -> Float32:
        """Take the lips and the voice of the next window.

        Args:
            visual: Unit-norm embedding of the lips, dimension D.
            audio: Embeddings of the voice at every lag, shape (L, D); valid rows are of unit norm.

        Returns:
            float32, shape (L,), in [-1, 1]: similarity at each lag, NaN where the audio is not valid.

        Raises:
            ValueError: If the two are of different windows, or a shape or a norm is not as stated.
        """
        dimension = self._visual.shape[1]
        if visual.window_index != audio.window_index:
            raise ValueError(
                f"lips of window {visual.window_index} with voice of window {audio.window_index}"
            )
        if audio.vectors.shape[0] != len(self._sums) or audio.valid.shape != self._sums.shape:
            raise ValueError(f"expected {len(self._sums)} lags, got {audio.vectors.shape[0]}")
        require_unit_rows(visual.vector[np.newaxis], dimension)
        require_unit_rows(audio.vectors if audio.valid.all() else audio.vectors[audio.valid], dimension)

        similarities = as_cosines(audio.vectors @ visual.vector).astype(np.float64)
        similarities = np.round(similarities * _GRID) / _GRID
        similarities[~audio.valid] = np.nan
        slot = self._ring.next_slot
        if self._ring.full:
            gone = np.isfinite(self._by_lag[slot])
            np.subtract(self._sums, self._by_lag[slot], out=self._sums, where=gone)
            self._counts -= gone
        self._by_lag[slot] = similarities
        np.add(self._sums, self._by_lag[slot], out=self._sums, where=audio.valid)
        self._counts += audio.valid

        zero = self._band_ticks
        self._visual[slot] = visual.vector
        self._audio[slot] = audio.vectors[zero] if audio.valid[zero] else np.nan
        self._ring.push(visual.window_index, visual.span)
        self._held_with[slot] = self._ring.count
        self._unfilled = min(self._unfilled + 1, self._ring.capacity)
        return np.array(self._by_lag[slot], np.float32)

    def mean_at(self, lag_ticks: int) -> float | None:
        """Return the mean similarity at a lag over the memory, in [-1, 1]; None without a valid window."""
        column = self._column(lag_ticks)
        count = int(self._counts[column])
        return float(self._sums[column]) / count if count else None

    def lag_profile(self) -> Float32:
        """Return the mean at every lag from -B to B, float32, shape (L,); NaN without a valid window."""
        means = np.full(len(self._sums), np.nan, np.float32)
        np.divide(self._sums, self._counts, out=means, where=self._counts > 0, casting="same_kind")
        return means

    def recent_profile(self, windows: int, since_index: int) -> tuple[Float32, npt.NDArray[np.int64]]:
        """Return the mean at every lag over the newest windows, and how many are behind it; O(windows L).

        Args:
            windows: Look at so many of the newest windows.
            since_index: Leave out windows with a lower index.

        Returns:
            float32 and int, both of shape (L,), as ``lag_profile`` and ``lag_counts``.
        """
        slots = self._ring.newest_slots(windows)
        wanted = self._by_lag[slots[self._ring.window_indices(slots) >= since_index]].astype(np.float64)
        counts = np.isfinite(wanted).sum(axis=0, dtype=np.int64)
        means = np.full(len(counts), np.nan, np.float32)
        np.divide(np.nansum(wanted, axis=0), counts, out=means, where=counts > 0, casting="same_kind")
        return means, counts

    def newest(self, lag_ticks: int, windows: int, since_index: int) -> Float32:
        """Return the newest similarities at a lag.

        Args:
            lag_ticks: In [-B, B].
            windows: Look at so many of the newest windows.
            since_index: Leave out windows with a lower index.

        Returns:
            float32, shape (at most ``windows``,), oldest first; windows without a value are left out.
        """
        slots = self._ring.newest_slots(windows)
        values = self._by_lag[slots, self._column(lag_ticks)]
        wanted = (self._ring.window_indices(slots) >= since_index) & np.isfinite(values)
        return np.asarray(values[wanted], np.float32)

    def fill_matrix(self) -> None:
        """Bring the T x T matrix up to date; O(N D) for every window taken since the last time."""
        slots = self._ring.newest_slots(self._unfilled)
        self._unfilled = 0
        for slot, count in zip(slots, self._held_with[slots], strict=True):
            row = self._matrix[slot, :count]
            row[:] = as_cosines(self._audio[:count] @ self._visual[slot])
            self._matrix[:count, slot] = as_cosines(self._visual[:count] @ self._audio[slot])
            row[slot] = self._by_lag[slot, self._band_ticks]

    def matrix(self) -> SimilarityMatrix:
        """Return the T x T matrix at lag zero: rows are lips, columns voice.

        ``worst`` is the lowest cell of the main diagonal: only there lips and voice ought to agree.
        """
        self.fill_matrix()
        slots = self._ring.slots()
        values = self._matrix[np.ix_(slots, slots)]
        diagonal = np.diagonal(values)
        worst: tuple[int, int] | None = None
        if np.any(np.isfinite(diagonal)):
            lowest = int(np.nanargmin(diagonal))
            worst = lowest, lowest
        return SimilarityMatrix(values=read_only(values), spans=self._ring.spans(), worst=worst)

    def seams(self, lag_ticks: int, count: int, since_index: int = 0) -> tuple[Seam, ...]:
        """Return at most ``count`` windows whose lips and voice agree least at a lag, worst first.

        Windows that overlap a worse one are left out, and so are those with an index below ``since_index``.
        Span ``a`` is the video, ``b`` the audio compared with it: ``a`` moved by the lag.
        """
        slots = self._ring.slots()
        slots = slots[self._ring.window_indices(slots) >= since_index]
        values = self._by_lag[slots, self._column(lag_ticks)]
        values[np.isnan(values)] = np.inf
        seams: list[Seam] = []
        while len(seams) < count and values.size:
            lowest = int(np.argmin(values))
            value = float(values[lowest])
            if value == np.inf:
                break
            span = self._ring.span(int(slots[lowest]))
            shift_ns = lag_ticks * TICK_NS
            voice = TimeSpan(start_ns=span.start_ns + shift_ns, end_ns=span.end_ns + shift_ns)
            seams.append(Seam(kind=Modality.CROSS, a=span, b=voice, value=value))
            values[self._ring.same_moment(int(slots[lowest]), slots)] = np.inf
        return tuple(seams)

    def _column(self, lag_ticks: int) -> int:
        if abs(lag_ticks) > self._band_ticks:
            raise ValueError(f"lag {lag_ticks} lies outside the band of {self._band_ticks} ticks")
        return lag_ticks + self._band_ticks
