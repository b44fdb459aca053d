"""How far a receiver places sound from where, beside the pictures, it was captured.

Per picture and per beep the sender's own capture times are known, on the clock that also stamps arrivals.
The receiver places a beep at an exact call time. It places pictures on a 25 fps grid, which shows at every
tick the newest picture at or before it (``realtime.ingest.grid``). Of a 30 fps sender's pictures every fifth
is shown between 0 and 6.7 ms after its place, the others later: so the youngest fifth tells the pictures'
place, to within 3.3 ms, however many are missing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from realtime.timebase import NS_PER_S

#: A captured picture or beep arrives within this time, or is not the one that arrived.
MAX_DELAY_NS = 2 * NS_PER_S
#: Ticks this close to a beep tell the pictures' offset at its time.
NEIGHBOURHOOD_NS = 3 * NS_PER_S // 2
MIN_TICKS = 20
MIDDLE_OF_YOUNGEST = 0.1
AGE_OF_YOUNGEST_NS = (NS_PER_S // 25 - NS_PER_S // 30) // 2
#: Chromium reports on its sound every five seconds; half of the receiver's ten-second window must be new.
RECOVERY_NS = 12 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A picture at a tick of the receiver's grid: its number, the tick's call time, its arrival."""

    number: int
    time_ns: int
    arrival_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A beep at the receiver: its call time and its arrival."""

    time_ns: int
    arrival_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The microphone stood still: what it captured after it is later against the count of its samples."""

    time_ns: int
    length_ms: float


@dataclass(slots=True, kw_only=True)
class Captured:
    """What the sender captured, in order; ns of the clock that stamps arrivals.

    Attributes:
        pictures: By number, when a picture was captured.
        beeps: When beeps started.
        stalls: When the microphone stood still.
    """

    pictures: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    beeps: list[int] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)

    def picture(self, seen: Seen) -> int | None:
        """Return when a seen picture was captured; None where that is not known."""
        return _latest_before(self.pictures.get(seen.number, ()), seen.arrival_ns)

    def beep(self, heard: Heard, *, expected_ns: float) -> int | None:
        """Return when a heard beep was captured; None where that is not known.

        On a starved machine the next beep may be captured before this one arrives. Of the beeps that can have
        arrived, the nearest to what is expected is taken, so errors of half a second and more are not told.
        """
        end = bisect_right(self.beeps, heard.arrival_ns)
        first = bisect_right(self.beeps, heard.arrival_ns - MAX_DELAY_NS)
        return min(self.beeps[first:end], key=lambda time_ns: abs(time_ns - expected_ns), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentError:
    """One beep.

    Attributes:
        since_start_s: Call time of the beep.
        error_ms: By how much sound is placed later than the pictures it was captured with.
        stalled: Whether the microphone stood still within ``RECOVERY_NS`` before it.
    """

    since_start_s: float
    error_ms: float
    stalled: bool = False


def alignment_errors(
    captured: Captured, seen: Sequence[Seen], heard: Sequence[Heard]
) -> list[AlignmentError]:
    """Return the error at every beep around which enough pictures are known.

    Args:
        captured: The sender's account.
        seen: What the receiver's grid showed, tick by tick.
        heard: The beeps that the receiver heard.
    """
    shown = [(picture, captured.picture(picture)) for picture in seen]
    errors: list[AlignmentError] = []
    for beep in heard:
        near = [pair for pair in shown if abs(pair[0].time_ns - beep.time_ns) <= NEIGHBOURHOOD_NS]
        offset_ns = _picture_offset_ns(near)
        if offset_ns is None:
            continue
        captured_ns = captured.beep(beep, expected_ns=beep.time_ns - offset_ns)
        if captured_ns is not None:
            error_ns = beep.time_ns - captured_ns - offset_ns
            errors.append(
                AlignmentError(
                    since_start_s=round(beep.time_ns / NS_PER_S, 3),
                    error_ms=round(error_ns / 1e6, 2),
                    stalled=any(0 <= captured_ns - stall.time_ns < RECOVERY_NS for stall in captured.stalls),
                )
            )
    return errors


def _picture_offset_ns(shown: Sequence[tuple[Seen, int | None]]) -> float | None:
    """Return call time minus capture time; None where too little is known."""
    at_most = [seen.time_ns - captured_ns for seen, captured_ns in shown if captured_ns is not None]
    if len(at_most) < MIN_TICKS:
        return None
    return float(np.quantile(at_most, MIDDLE_OF_YOUNGEST)) - AGE_OF_YOUNGEST_NS


def _latest_before(times_ns: Sequence[int], arrival_ns: int) -> int | None:
    index = bisect_right(times_ns, arrival_ns) - 1
    if index < 0 or arrival_ns - times_ns[index] > MAX_DELAY_NS:
        return None
    return times_ns[index]
