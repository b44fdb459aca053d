"""Packets that later ones have overtaken: when to ask for them again, when to give them up."""

from __future__ import annotations

from realtime.ingest.rtp.sequence import SEQUENCE_MODULUS
from realtime.timebase import NS_PER_MS

REORDER_ALLOWANCE_NS = 10 * NS_PER_MS
#: Packets that are due within this time of each other are asked for together.
TOGETHER_NS = 2 * NS_PER_MS
#: How long an answer may take before a packet is asked for again: the round trip and this, within limits.
ANSWER_ALLOWANCE_NS = 15 * NS_PER_MS
LEAST_REPEAT_NS = 40 * NS_PER_MS
MOST_REPEAT_NS = 150 * NS_PER_MS
#: What a single answer counts for: a fast one is the round trip, a slow one may answer a repetition.
FAST_ANSWER_DIVISOR = 4
SLOW_ANSWER_DIVISOR = 16
GROWTH_DIVISOR = 8
MAX_PER_NACK = 128


class _Missing:
    __slots__ = ("next_request_ns", "repeat_ns", "requested_ns", "since_ns")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.next_request_ns = since_ns + REORDER_ALLOWANCE_NS
        self.requested_ns: int | None = None
        self.repeat_ns = 0


class MissingPackets:
    """Extended sequence numbers that are waited for, in order.

    A packet is asked for after ``REORDER_ALLOWANCE_NS``, again when its answer is overdue, and then at
    intervals that grow by an eighth. How long an answer takes is learnt from how long after its first request
    a packet comes.

    Attributes:
        next_request_ns: No request is due before; None while nothing is missing.
    """

    def __init__(self) -> None:
        self._missing: dict[int, _Missing] = {}
        self._round_trip_ns = LEAST_REPEAT_NS
        self.next_request_ns: int | None = None

    def __len__(self) -> int:
        return len(self._missing)

    @property
    def oldest_ns(self) -> int | None:
        """Since when the first of them has been missing; None while nothing is."""
        for missing in self._missing.values():
            return missing.since_ns
        return None

    def miss(self, first: int, end: int, now_ns: int) -> None:
        """Begin to wait for ``[first, end)``, all beyond what was waited for before."""
        for number in range(first, end):
            self._missing[number] = _Missing(now_ns)
        request_ns = now_ns + REORDER_ALLOWANCE_NS
        if self.next_request_ns is None or request_ns < self.next_request_ns:
            self.next_request_ns = request_ns

    def found(self, number: int, now_ns: int) -> bool:
        """Stop to wait for a packet that has come; False if it was not waited for."""
        missing = self._missing.pop(number, None)
        if missing is None:
            return False
        if missing.requested_ns is not None:
            slower_ns = now_ns - missing.requested_ns - self._round_trip_ns
            self._round_trip_ns += slower_ns // (
                SLOW_ANSWER_DIVISOR if slower_ns > 0 else FAST_ANSWER_DIVISOR
            )
        self._forget_requests()
        return True

    def abandon_before(self, number: int) -> list[int]:
        """Stop to wait for everything before a number, and return that."""
        abandoned = []
        for missing in self._missing:
            if missing >= number:
                break
            abandoned.append(missing)
        for missing in abandoned:
            del self._missing[missing]
        self._forget_requests()
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
        if self.next_request_ns is None or now_ns < self.next_request_ns:
            return ()
        due: list[int] = []
        for number, missing in self._missing.items():
            if missing.next_request_ns <= now_ns + TOGETHER_NS and len(due) < MAX_PER_NACK:
                self._request(missing, now_ns)
                due.append(number % SEQUENCE_MODULUS)
        self.next_request_ns = min(missing.next_request_ns for missing in self._missing.values())
        return tuple(sorted(due))

    def _request(self, missing: _Missing, now_ns: int) -> None:
        if missing.repeat_ns == 0:
            missing.requested_ns = now_ns
            patience_ns = self._round_trip_ns + ANSWER_ALLOWANCE_NS
            missing.repeat_ns = max(LEAST_REPEAT_NS, min(MOST_REPEAT_NS, patience_ns))
        else:
            missing.repeat_ns += missing.repeat_ns // GROWTH_DIVISOR
        missing.next_request_ns = now_ns + missing.repeat_ns

    def _forget_requests(self) -> None:
        if not self._missing:
            self.next_request_ns = None
