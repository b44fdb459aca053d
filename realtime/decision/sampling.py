"""Burst sampling: whoever evidence builds up against is looked at more often. Pure."""

from __future__ import annotations

from realtime.config import DecisionConfig
from realtime.decision.sequential import TestState
from realtime.timebase import NS_PER_S

DENSE_INTERVAL_TICKS = 5
#: A burst that brings no alarm lasts at least so long.
MIN_BURST_NS = 10 * NS_PER_S


class BurstSampling:
    """Chooses on how many ticks a participant's face is embedded for identity.

    A burst begins when the progress reaches ``dense_progress``. It ends once the progress has been under
    ``sparse_progress`` for ``MIN_BURST_NS``, and with the alarm, which more faces cannot bring earlier.

    Args:
        config: The two fractions.
        sparse_interval_ticks: Interval outside a burst (``FaceConfig.identity_interval_ticks``).
    """

    def __init__(self, config: DecisionConfig, sparse_interval_ticks: int) -> None:
        self._config = config
        self._sparse_ticks = sparse_interval_ticks
        self._wanted_ns: int | None = None

    def interval_ticks(self, state: TestState) -> int:
        """Return the interval after a state; the states come in order of time."""
        burst = self._wanted_ns is not None
        least = self._config.sparse_progress if burst else self._config.dense_progress
        if state.alarm:
            self._wanted_ns = None
        elif state.progress >= least:
            self._wanted_ns = state.time_ns
        elif self._wanted_ns is not None and state.time_ns - self._wanted_ns >= MIN_BURST_NS:
            self._wanted_ns = None
        if self._wanted_ns is None:
            return self._sparse_ticks
        return min(DENSE_INTERVAL_TICKS, self._sparse_ticks)
