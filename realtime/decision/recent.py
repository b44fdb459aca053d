"""What a participant's newest windows brought to the sequential test."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from realtime.decision.observation import Observation
from realtime.timebase import NS_PER_S

#: So much call time is remembered.
RECENT_NS = 120 * NS_PER_S
#: Observations in that time at most: two channels, a window every 0.4 s, and one more of each.
MAX_OBSERVATIONS = 602


class RecentObservations:
    """Remembers the newest ``RECENT_NS`` of one participant; what is older is forgotten."""

    def __init__(self) -> None:
        self._held: deque[Observation] = deque(maxlen=MAX_OBSERVATIONS)

    def take(self, observations: Sequence[Observation]) -> None:
        """Take those of the next window."""
        self._held.extend(observations)
        while self._held and self._held[-1].time_ns - self._held[0].time_ns > RECENT_NS:
            self._held.popleft()

    def snapshot(self) -> tuple[Observation, ...]:
        """Return them, oldest first."""
        return tuple(self._held)
