"""Media time of decoded sound that carries no timestamps: its samples are counted."""

from __future__ import annotations

from realtime.timebase import NS_PER_MS, NS_PER_S

#: Sound that is this much later than counting says has probably lost a piece.
HOLE_NS = 60 * NS_PER_MS
#: How long it must stay late: what a busy host delays comes back as a burst.
HOLE_PROOF_NS = 300 * NS_PER_MS
#: The slowest source clock that is not taken for a hole: 500 ppm.
DRIFT_DIVISOR = 2000


class SampleClock:
    """Counts samples into media time, and notices by the arrivals what counting cannot see.

    The earliest arrivals say when a sample was due. Sound that is more than ``HOLE_NS`` late for
    ``HOLE_PROOF_NS`` has lost a piece: media time moves on by it, so that later stages see a hole there. A
    slow source clock is followed at up to one in ``DRIFT_DIVISOR`` and makes no holes; a fast one moves what
    is due.

    Attributes:
        holes: Pieces that were found missing.
    """

    def __init__(self) -> None:
        self._media_ns = 0
        self._remainder = 0
        self._rate_hz = 0
        self._due_ns: int | None = None
        self._last_arrival_ns = 0
        self._late: tuple[int, int] | None = None
        self._resuming = False
        self.holes = 0

    def place(self, samples: int, *, rate_hz: int, arrival_ns: int) -> int:
        """Return the media time of a block's first sample in ns; the first block's is 0.

        Args:
            samples: Length of the block, at least 1.
            rate_hz: Its sample rate.
            arrival_ns: When it arrived, never before its predecessor.
        """
        late_ns = self._late_ns(arrival_ns)
        if self._resuming:
            self._resuming = False
            self._skip_to(late_ns)
        else:
            self._look_for_hole(late_ns, arrival_ns)
        start_ns = self._media_ns
        self.count(samples, rate_hz=rate_hz)
        return start_ns

    def count(self, samples: int, *, rate_hz: int) -> None:
        """Let samples pass that are not used."""
        if rate_hz != self._rate_hz:
            self._rate_hz, self._remainder = rate_hz, 0
        passed_ns, self._remainder = divmod(samples * NS_PER_S + self._remainder, rate_hz)
        self._media_ns += passed_ns

    def resume(self) -> None:
        """The sound was interrupted: the next block is placed by its arrival."""
        self._resuming = True
        self._late = None

    def _late_ns(self, arrival_ns: int) -> int:
        if self._due_ns is None:
            self._due_ns = self._last_arrival_ns = arrival_ns
        late_ns = arrival_ns - self._due_ns - self._media_ns
        passed_ns = min(arrival_ns - self._last_arrival_ns, NS_PER_S)
        drift_ns = min(late_ns, passed_ns // DRIFT_DIVISOR)
        self._due_ns += drift_ns
        self._last_arrival_ns = arrival_ns
        return late_ns - drift_ns

    def _look_for_hole(self, late_ns: int, arrival_ns: int) -> None:
        if late_ns <= HOLE_NS:
            self._late = None
            return
        since_ns, least_ns = (arrival_ns, late_ns) if self._late is None else self._late
        self._late = since_ns, min(least_ns, late_ns)
        if arrival_ns - since_ns >= HOLE_PROOF_NS:
            self._skip_to(self._late[1])
            self.holes += 1

    def _skip_to(self, late_ns: int) -> None:
        self._media_ns += late_ns
        self._late = None
