"""Decides, from the backlog, how densely a participant's pictures are analysed. Pure."""

from __future__ import annotations

from realtime.timebase import NS_PER_S

#: Backlog of pictures from which every n-th picture is analysed.
STEPS = ((18, 4), (10, 2))
#: A backlog this small, kept for ``CALM_NS``, lifts one step.
CALM_PICTURES = 3
CALM_NS = 4 * NS_PER_S


class LoadGovernor:
    """Raises the stride at once when pictures pile up, lowers it step by step when they no longer do."""

    def __init__(self) -> None:
        self.stride = 1
        self._calm_since_ns: int | None = None

    def update(self, now_ns: int, backlog_pictures: int) -> int:
        """Take the backlog and return the stride to use from now on."""
        wanted = next((stride for limit, stride in STEPS if backlog_pictures >= limit), 1)
        if wanted > self.stride:
            self.stride = wanted
            self._calm_since_ns = None
        elif self.stride > 1 and backlog_pictures <= CALM_PICTURES:
            if self._calm_since_ns is None:
                self._calm_since_ns = now_ns
            elif now_ns - self._calm_since_ns >= CALM_NS:
                self.stride //= 2
                self._calm_since_ns = now_ns
        else:
            self._calm_since_ns = None
        return self.stride
