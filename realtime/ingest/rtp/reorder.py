"""Packets back in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from realtime.ingest.rtp.missing import MissingPackets
from realtime.ingest.rtp.packet import Counters
from realtime.ingest.rtp.sequence import is_restart

MAX_MISSING = 256
MAX_WAITING = 1024
MAX_WAITING_BYTES = 4 << 20
MAX_REMEMBERED_LOSSES = 512

T = TypeVar("T")


class ReorderBuffer(Generic[T]):
    """Holds packets back until those before them have come or are given up.

    While nothing is held back, nothing is missing.

    Args:
        counters: The track's.
        on_skip: Called with the packets that a skip drops, in order, before the first packet after it.

    Attributes:
        next_number: The packet whose turn it is; None before the first.
        missing: The packets that are waited for.
    """

    def __init__(self, counters: Counters, on_skip: Callable[[list[T]], None]) -> None:
        self._counters = counters
        self._on_skip = on_skip
        self._waiting: dict[int, tuple[T, int]] = {}
        self._waiting_bytes = 0
        self._highest = 0
        self._given_up: dict[int, None] = {}
        self.next_number: int | None = None
        self.missing = MissingPackets()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether more is held back than is reasonable: time to give up."""
        return len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES

    def is_next(self, number: int) -> bool:
        """Take a packet whose turn it is while nothing is held back: the common case."""
        if number != self.next_number or self._waiting:
            return False
        self.next_number = number + 1
        self._highest = number
        self._counters.packets += 1
        return True

    def put(self, number: int, item: T, size: int, now_ns: int) -> bool:
        """Hold a packet; False if it came before or its turn is over.

        Args:
            number: Its extended sequence number.
            item: The packet.
            size: Its length in bytes.
            now_ns: The time.
        """
        counters = self._counters
        if self.next_number is None:
            self.next_number = number
            self._highest = number - 1
        if number < self.next_number or number in self._waiting:
            if number in self._given_up:
                del self._given_up[number]
                counters.packets += 1
                counters.late += 1
            else:
                counters.duplicates += 1
            return False
        if self.missing.found(number, now_ns):
            counters.recovered += 1
        elif number > self._highest:
            self._miss(number, now_ns)
        counters.packets += 1
        self._waiting[number] = (item, size)
        self._waiting_bytes += size
        return True

    def pop(self) -> T | None:
        """Take the packet whose turn it is, None if that one is missing."""
        if self.next_number is None:
            return None
        held = self._waiting.pop(self.next_number, None)
        if held is None:
            return None
        self.next_number += 1
        self._waiting_bytes -= held[1]
        return held[0]

    def skip_to(self, number: int) -> None:
        """Give up what is missing before a number and drop what is held back before it."""
        lost = self.missing.abandon_before(number)
        self._counters.lost += len(lost)
        self._remember(lost)
        dropped = [self._waiting.pop(held) for held in sorted(self._waiting) if held < number]
        self._waiting_bytes -= sum(size for _, size in dropped)
        self.next_number = number
        self._on_skip([item for item, _ in dropped])

    def held(self) -> list[tuple[int, T]]:
        """Return what is held back, in order."""
        return [(number, self._waiting[number][0]) for number in sorted(self._waiting)]

    def _miss(self, number: int, now_ns: int) -> None:
        gap = number - self._highest - 1
        if gap + len(self.missing) > MAX_MISSING:
            self.skip_to(number)
            self._counters.lost += 0 if is_restart(gap) else gap
        elif gap:
            self.missing.miss(self._highest + 1, number, now_ns)
        self._highest = number

    def _remember(self, lost: list[int]) -> None:
        for number in lost:
            self._given_up[number] = None
        while len(self._given_up) > MAX_REMEMBERED_LOSSES:
            del self._given_up[next(iter(self._given_up))]
