"""How many real pictures a source sends, seen on the 25 fps grid that repeats them."""

from __future__ import annotations

from collections import deque

from realtime.timebase import FRAME_RATE_HZ

#: Twice the usual rate of syllables, about 5 a second: pictures that come more rarely do not show them.
MIN_RATE_HZ = 10.0
SPAN_TICKS = 3 * FRAME_RATE_HZ
#: On the grid, fewer ticks do not tell a rate of 12 from one of 8.
MIN_COUNTED_TICKS = 10


class PictureRate:
    """Measures the rate of the pictures over the newest ``SPAN_TICKS``; memory is fixed.

    The rate is that of the pauses between one picture and the next, without the longest: one freeze is no
    frame rate. A pause in which this host dropped pictures does not count.
    """

    def __init__(self) -> None:
        self._pauses: deque[tuple[int, int]] = deque(maxlen=SPAN_TICKS)
        self._last_tick: int | None = None

    def take(self, tick: int, *, is_new: bool, dropped: bool = False) -> None:
        """Take the next tick of the grid.

        Args:
            tick: Higher than the one before.
            is_new: Whether its picture is not the one of the tick before; False without a picture.
            dropped: Whether its picture was dropped by this host.
        """
        if dropped:
            self._last_tick = None
        elif is_new:
            if self._last_tick is not None:
                self._pauses.append((tick, tick - self._last_tick))
            self._last_tick = tick
        while self._pauses and self._pauses[0][0] <= tick - SPAN_TICKS:
            self._pauses.popleft()

    @property
    def hz(self) -> float | None:
        """Pictures a second; None where the pauses that count cover less than ``MIN_COUNTED_TICKS``."""
        lengths = [length for _, length in self._pauses]
        counted_ticks = sum(lengths) - max(lengths, default=0)
        if counted_ticks < MIN_COUNTED_TICKS:
            return None
        return FRAME_RATE_HZ * (len(lengths) - 1) / counted_ticks

    @property
    def is_low(self) -> bool:
        """Whether the pictures come too rarely to show how the lips move."""
        hz = self.hz
        return hz is not None and hz < MIN_RATE_HZ
