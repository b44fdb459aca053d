"""How long a worker that ended waits before it is started again."""

from __future__ import annotations

from realtime.timebase import NS_PER_S

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
#: A worker that ran for this long was sound: the next delay is the first one again.
SOUND_AFTER_NS = 60 * NS_PER_S


class RestartDelays:
    """Delays that double with every short life, up to a cap."""

    def __init__(self) -> None:
        self._next_s = FIRST_DELAY_S

    def after(self, ran_ns: int) -> float:
        """Return the delay in s before the next start.

        Args:
            ran_ns: How long the worker had run, in ns; 0 if it did not come up.
        """
        if ran_ns >= SOUND_AFTER_NS:
            self._next_s = FIRST_DELAY_S
        delay_s = self._next_s
        self._next_s = min(LONGEST_DELAY_S, 2 * delay_s)
        return delay_s
