"""The call's timeline: integer nanoseconds, a 25 fps video grid and 16 kHz audio that divide it evenly."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

FRAME_RATE_HZ = 25
TICK_NS = NS_PER_S // FRAME_RATE_HZ

SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_TICK = SAMPLE_RATE_HZ // FRAME_RATE_HZ


def tick_at(time_ns: int) -> int:
    """Return the grid tick that is current at a call time (floor)."""
    return time_ns // TICK_NS


def tick_time_ns(tick: int) -> int:
    """Return the call time at which a tick starts."""
    return tick * TICK_NS


def sample_at(time_ns: int) -> int:
    """Return the index of the 16 kHz sample nearest to a call time."""
    return (time_ns * SAMPLE_RATE_HZ + NS_PER_S // 2) // NS_PER_S


def sample_time_ns(sample: int) -> int:
    """Return the call time at which a 16 kHz sample starts."""
    return sample * NS_PER_S // SAMPLE_RATE_HZ
