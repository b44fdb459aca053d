"""The constant lag between a participant's lips and voice, as network and SFU leave it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.timebase import NS_PER_MS, TICK_NS
from realtime.types import Bool, Float32

#: Speech windows needed before a lag is believed.
MIN_WINDOWS = 8
#: Height of the peak over the median of the profile that is needed however much speech was heard.
MIN_PROMINENCE = 0.05
#: Chance alone lifts the best lag of n overlapping windows over the median by about this over sqrt(n).
CHANCE_PROMINENCE = 0.8
#: Where a search has found no such peak in so many speech windows, the best lag counts until there is one.
SEARCH_WINDOWS = 12
#: Up to here the tracks may be misaligned: any two alignments within it differ by two ticks at most, at which
#: genuine lips and voice keep four fifths of their similarity.
MAX_UNCERTAINTY_NS = TICK_NS
#: Newest speech windows that tell the lag of clocks which drift: at 2 ms a second and speech half the time it
#: is then two or three ticks behind.
FOLLOWED_WINDOWS = 96
#: The first peaks are averaged; from this many on, each moves the lag by one over this.
SETTLED_UPDATES = 20


class LagTracker:
    """Follows the peak of the lag profile slowly: a changing lag is evidence, not to be tracked away.

    The lag is unknown until a peak stands out of the profile by more than chance explains. A maximum at the
    end of the band is no peak. Once known, the lag is kept while no peak stands out. Tracks that share a
    clock are compared at lag zero until then; a search says that they do not, or no longer.

    Args:
        band_ticks: B; the profile covers lags from -B to B ticks.
    """

    def __init__(self, band_ticks: int) -> None:
        self._band_ticks = band_ticks
        self._lag_ticks: float | None = None
        self._peaks = 0
        self._sought = False

    @property
    def lag_ms(self) -> float | None:
        """The tracked lag, positive where the voice comes after the lips; None until it is known."""
        return None if self._lag_ticks is None else self._lag_ticks * TICK_NS / NS_PER_MS

    @property
    def nearest_tick(self) -> int:
        """The tracked lag as a whole number of ticks in [-B, B]; 0 until it is known."""
        return 0 if self._lag_ticks is None else round(self._lag_ticks)

    @property
    def searching(self) -> bool:
        """Whether no lag, not even zero, may be taken for the right one."""
        return self._sought and self._lag_ticks is None

    def search(self) -> None:
        """Forget the lag, and take none for the right one until a peak stands out or ``SEARCH_WINDOWS`` came.

        From then on the best lag counts, whatever it is, until a peak stands out. The profiles from now on
        must leave out the windows from before.
        """
        self._lag_ticks = None
        self._peaks = 0
        self._sought = True

    def update(self, profile: Float32, counts: npt.NDArray[np.int64]) -> None:
        """Take the newest profile.

        Args:
            profile: float32, shape (2 B + 1,): mean similarity with the audio of the window moved by
                ``index - B`` ticks (``LagEmbeddings``); NaN without a value.
            counts: int, shape (2 B + 1,): windows behind each mean.

        Raises:
            ValueError: If a shape is not as stated.
        """
        lags = 2 * self._band_ticks + 1
        if profile.shape != (lags,) or counts.shape != (lags,):
            raise ValueError(f"expected {lags} lags, got {profile.shape} means and {counts.shape} counts")
        peak = _peak_index(profile.astype(np.float64), counts)
        if peak is None:
            if self._sought and counts.max() >= SEARCH_WINDOWS:
                best = int(np.argmax(np.where(_usable(profile, counts), profile, -np.inf)))
                self._lag_ticks = float(best - self._band_ticks)
            return
        self._sought = False
        lag_ticks = peak - self._band_ticks
        self._peaks = min(self._peaks + 1, SETTLED_UPDATES)
        previous = lag_ticks if self._lag_ticks is None else self._lag_ticks
        self._lag_ticks = previous + (lag_ticks - previous) / self._peaks


def _peak_index(profile: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> float | None:
    usable = _usable(profile, counts)
    if counts.max() < MIN_WINDOWS or 2 * np.count_nonzero(usable) <= len(profile):
        return None
    best = int(np.argmax(np.where(usable, profile, -np.inf)))
    if best in (0, len(profile) - 1) or not (usable[best - 1] and usable[best + 1]):
        return None
    needed = max(MIN_PROMINENCE, CHANCE_PROMINENCE / float(np.sqrt(counts[best])))
    if profile[best] - np.median(profile[usable]) < needed:
        return None
    before, top, after = (float(value) for value in profile[best - 1 : best + 2])
    curvature = before - 2.0 * top + after
    return best + (0.5 * (before - after) / curvature if curvature < 0.0 else 0.0)


def _usable(profile: npt.NDArray[np.floating], counts: npt.NDArray[np.int64]) -> Bool:
    return np.asarray(np.isfinite(profile) & (2 * counts >= counts.max()), np.bool_)
