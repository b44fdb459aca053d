"""What overload means: how densely pictures are analysed, what is too old, who may still come in. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from realtime.timebase import NS_PER_S

#: From this age of its newest media on, a window is not worth running its encoders.
MAX_AGE_NS = NS_PER_S
#: How far back ``BusyMeter`` looks.
BUSY_SPAN_S = 5
#: Part of a device that engines may use; the rest is for decoding, and for bad moments.
MAX_LOAD = 0.8

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


class BusyMeter:
    """Measures how many runs go on at a time, on the average of the last whole seconds; memory is fixed."""

    def __init__(self) -> None:
        self._busy_ns: OrderedDict[int, int] = OrderedDict()

    def add(self, start_ns: int, end_ns: int) -> None:
        """Take a run; it counts into the second in which it ended."""
        second = end_ns // NS_PER_S
        self._busy_ns[second] = self._busy_ns.get(second, 0) + end_ns - start_ns
        while len(self._busy_ns) > BUSY_SPAN_S + 1:
            self._busy_ns.popitem(last=False)

    def busy(self, now_ns: int) -> float:
        """Return the average number of runs at a time."""
        now_s = now_ns // NS_PER_S
        counted = (busy_ns for second, busy_ns in self._busy_ns.items() if 0 < now_s - second <= BUSY_SPAN_S)
        return sum(counted) / (BUSY_SPAN_S * NS_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLoad:
    """How busy a device is with engines.

    Attributes:
        device: Its name.
        busy: Runs at a time, in units of ``capacity``.
        capacity: Cores of the CPU, 1 for another device.
    """

    device: str
    busy: float
    capacity: float


def overloaded_device(loads: Iterable[DeviceLoad], participants: int) -> DeviceLoad | None:
    """Return the device that could not take one more participant like those that are there; None for none.

    Args:
        loads: How busy the devices are now.
        participants: How many participants make them so.
    """
    if participants == 0:
        return None
    for load in loads:
        if load.busy * (participants + 1) / participants > MAX_LOAD * load.capacity:
            return load
    return None
