"""Packets that later ones have overtaken: when to ask for them again, when to give them up."""

from __future__ import annotations

from realtime.ingest.rtp.sequence import SEQUENCE_MODULUS
from realtime.timebase import NS_PER_MS

REORDER_ALLOWANCE_NS = 10 * NS_PER_MS
FIRST_REPEAT_NS = 40 * NS_PER_MS
MAX_PER_NACK = 128


class _Missing:
    __slots__ = ("next_request_ns", "repeat_ns", "since_ns")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.next_request_ns = since_ns + REORDER_ALLOWANCE_NS
        self.repeat_ns = FIRST_REPEAT_NS


class MissingPackets:
    """Extended sequence numbers that are waited for, in order.

    A packet is asked for after ``REORDER_ALLOWANCE_NS``, again after ``FIRST_REPEAT_NS``, and then at
    intervals that grow by half.
    """

    def __init__(self) -> None:
        self._missing: dict[int, _Missing] = {}

    def __len__(self) -> int:
        return len(self._missing)

    def miss(self, first: int, end: int, now_ns: int) -> None:
        """Begin to wait for ``[first, end)``, all beyond what was waited for before."""
        for number in range(first, end):
            self._missing[number] = _Missing(now_ns)

    def found(self, number: int) -> bool:
        """Stop to wait for a packet; False if it was not waited for."""
        return self._missing.pop(number, None) is not None

    def abandon_before(self, number: int) -> list[int]:
        """Stop to wait for everything before a number, and return that."""
        abandoned = []
        for missing in self._missing:
            if missing >= number:
                break
            abandoned.append(missing)
        for missing in abandoned:
            del self._missing[missing]
        return abandoned

    def newest_since(self, time_ns: int) -> int | None:
        """Return the highest number that has been missing since a time or longer."""
        newest = None
        for number, missing in self._missing.items():
            if missing.since_ns > time_ns:
                break
            newest = number
        return newest

    def to_request(self, now_ns: int) -> tuple[int, ...]:
        """Return the 16-bit sequence numbers to ask for now, ascending; at most ``MAX_PER_NACK``."""
        due = []
        for number, missing in self._missing.items():
            if missing.next_request_ns <= now_ns:
                missing.next_request_ns = now_ns + missing.repeat_ns
                missing.repeat_ns += missing.repeat_ns // 2
                due.append(number % SEQUENCE_MODULUS)
                if len(due) == MAX_PER_NACK:
                    break
        return tuple(sorted(due))
