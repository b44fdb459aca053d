"""Pictures of any frame rate onto the call's 25 fps grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from realtime.timebase import NS_PER_MS, TICK_NS, tick_time_ns
from realtime.types import GapReason

HOLD_NS = 200 * NS_PER_MS

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPicture(Generic[T]):
    """The picture that is current at a tick."""

    tick: int
    payload: T


@dataclass(frozen=True, slots=True, kw_only=True)
class GridGap:
    """Ticks ``[first_tick, end_tick)`` without a picture."""

    first_tick: int
    end_tick: int
    reason: GapReason


class FrameGrid(Generic[T]):
    """Chooses for every tick the newest picture at or before it.

    A tick is decided as soon as no earlier picture can change it: when a picture at or after it arrives, or
    when time is advanced past it. Ticks are decided once, in order, from tick 0. A picture is held for
    ``hold_ns``; ticks after that are a gap, so one call returns at most ``hold_ns / 40 ms + 2`` items.

    Args:
        hold_ns: How long a picture stays current without a successor.
    """

    def __init__(self, *, hold_ns: int = HOLD_NS) -> None:
        self._hold_ns = hold_ns
        self._held: tuple[int, T] | None = None
        self._next_tick = 0
        self.late = 0

    @property
    def next_tick(self) -> int:
        """The first tick that is not decided yet."""
        return self._next_tick

    def push(self, time_ns: int, payload: T) -> list[GridPicture[T] | GridGap]:
        """Add a picture and return what it decides.

        A picture older than the newest one is dropped and counted in ``late``; one at the same time replaces
        it for the ticks that are still open.
        """
        if self._held is not None and time_ns < self._held[0]:
            self.late += 1
            return []
        decided = self._decide_before(time_ns, GapReason.LOSS)
        self._held = (time_ns, payload)
        if tick_time_ns(self._next_tick) == time_ns:
            decided.append(GridPicture(tick=self._next_tick, payload=payload))
            self._next_tick += 1
        return decided

    def advance(self, time_ns: int, reason: GapReason) -> list[GridPicture[T] | GridGap]:
        """Decide every tick before a call time without a new picture."""
        return self._decide_before(time_ns, reason)

    def _decide_before(self, time_ns: int, reason: GapReason) -> list[GridPicture[T] | GridGap]:
        end_tick = -(-time_ns // TICK_NS)
        decided: list[GridPicture[T] | GridGap] = []
        while self._next_tick < end_tick and self._held is not None:
            held_ns, payload = self._held
            if tick_time_ns(self._next_tick) - held_ns > self._hold_ns:
                break
            decided.append(GridPicture(tick=self._next_tick, payload=payload))
            self._next_tick += 1
        if self._next_tick < end_tick:
            why = GapReason.NO_TRACK if self._held is None else reason
            decided.append(GridGap(first_tick=self._next_tick, end_tick=end_tick, reason=why))
            self._next_tick = end_tick
        return decided
