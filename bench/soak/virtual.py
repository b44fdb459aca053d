"""Hours of one participant's call in minutes, in this process."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import bench
from bench.report.table import Table
from bench.soak.replayed_engines import replayed_encoders
from bench.soak.sampling import Sample, take_sample
from bench.soak.trend import Quantity
from bench.soak.virtual_call import Material, VirtualCall
from realtime.calibration_file import calibration_for
from realtime.config import MonitorConfig

#: A sample takes about five blocks itself. One object kept a window would be 72,000 in eight hours.
QUANTITIES = (
    Quantity(field="resident_mib", name="resident memory", unit="MiB", allowance=8.0),
    Quantity(field="blocks", name="Python's memory blocks", unit="", allowance=10_000.0),
    Quantity(field="descriptors", name="file descriptors", unit="", allowance=0.5),
    Quantity(field="threads", name="threads", unit="", allowance=0.5),
)

WARM_UP_MINUTES = 10
"""Memories of the call fill up, and engines answer for the first time."""
TRACED_MINUTES = 30
"""Minutes at the end, after the last sample, whose allocations are traced; that costs memory itself."""
_SHORT_RUN_MINUTES = 30
_TOP = 10
_PACKAGES = "site-packages"


def soak_virtually(
    material: Material, minutes: int, samples: list[Sample], on_minute: Callable[[], None]
) -> Table:
    """Let a call pass, and sample this process every minute of it.

    Args:
        material: What is said and seen.
        minutes: Of call, behind the warm-up.
        samples: Filled from the end of the warm-up on, also by a call that is interrupted.
        on_minute: Called after each minute of call.

    Returns:
        What grew most between a third and the end of the traced minutes, by the line that allocated it.

    Raises:
        ModelStoreError: A model is missing or damaged.
        EngineError: A model or the checkpoint cannot be loaded.
    """
    config = MonitorConfig()
    encoders = replayed_encoders(config)
    try:
        call = VirtualCall(encoders, config, calibration_for(encoders.ids, config), material)
        warm_up, traced = lengths(minutes)
        for _ in range(warm_up):
            call.live_through(60)
            on_minute()
        samples.append(take_sample(0.0))
        for minute in range(1, minutes + 1):
            call.live_through(60)
            samples.append(take_sample(minute / 60))
            on_minute()
        return _trace(call, traced, on_minute)
    finally:
        encoders.close()


def lengths(minutes: int) -> tuple[int, int]:
    """Return the minutes of warm-up and of tracing for so many measured ones."""
    if minutes < _SHORT_RUN_MINUTES:
        return 2, 3
    return WARM_UP_MINUTES, TRACED_MINUTES


def _trace(call: VirtualCall, minutes: int, on_minute: Callable[[], None]) -> Table:
    tracemalloc.start()
    try:
        before = None
        for minute in range(minutes):
            if minute == minutes // 3:
                before = tracemalloc.take_snapshot()
            call.live_through(60)
            on_minute()
        assert before is not None
        grown = tracemalloc.take_snapshot().compare_to(before, "lineno")
    finally:
        tracemalloc.stop()
    return Table(
        title=f"What grew most in the last {minutes - minutes // 3} minutes, by line",
        columns=("line", "grew by, KiB", "blocks more"),
        rows=tuple(_rows(grown)),
        note="Traced by tracemalloc behind the last sample.",
    )


def _rows(grown: list[tracemalloc.StatisticDiff]) -> Iterator[tuple[str, float, int]]:
    for difference in sorted(grown, key=lambda one: -one.size_diff)[:_TOP]:
        frame = difference.traceback[0]
        yield (
            f"{_shown(frame.filename)}:{frame.lineno}",
            round(difference.size_diff / 1024, 1),
            difference.count_diff,
        )


def _shown(filename: str) -> str:
    """Return a source file without the host's folders."""
    parts = Path(filename).parts
    if _PACKAGES in parts:
        return "/".join(parts[parts.index(_PACKAGES) + 1 :])
    root = Path(next(iter(bench.__path__))).parent
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_relative_to(root) else "/".join(parts[-2:])
