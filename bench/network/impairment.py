"""What a bad network does to the packets of one direction: pure, seeded, time passed in.

The same seed gives packet number n the same loss, the same extra delay and the same duplicate, whenever it
comes and whatever happened to the others; only the outage, the rate limit and the order of delivery depend on
time.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

MAX_PACKETS_IN_FLIGHT = 20_000
_BITS_NS = 8 * 1_000_000_000


class Fate(enum.StrEnum):
    """What became of a packet, or of a copy of it."""

    SENT = "sent"
    LOST = "lost"
    OUTAGE = "outage"
    QUEUE_FULL = "queue_full"
    DUPLICATED = "duplicated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """One direction of a link. The default is a perfect one.

    Attributes:
        loss: Fraction of the packets that is lost, in [0, 1).
        burst_packets: Mean length of a run of lost packets (Gilbert's two-state model), at least 1; None:
            every packet is lost or not for itself.
        delay_ns: What every packet takes.
        jitter_ns: Scale of the extra delay, the absolute value of a normal variable (mean 0.8 of it).
        reorder: Whether a packet may overtake another one; if not, jitter only bunches them.
        duplicate: Fraction of the packets that is delivered twice, in [0, 1).
        outage_ns: Span since the first packet in which everything is lost.
        rate_bps: Bits per second that pass; None for no limit.
        queue_bytes: What waits for a limited rate at most; the newest packet is dropped when it is full.
        spared_ns: Packets that come earlier than this, since the first one, suffer no loss, jitter or copy,
            so that the connection stands before the measurement begins.
    """

    loss: float = 0.0
    burst_packets: float | None = None
    delay_ns: int = 0
    jitter_ns: int = 0
    reorder: bool = False
    duplicate: float = 0.0
    outage_ns: tuple[int, int] | None = None
    rate_bps: int | None = None
    queue_bytes: int = 64_000
    spared_ns: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.loss < 1 and 0 <= self.duplicate < 1):
            raise ValueError("loss and duplicate are fractions below 1")
        if self.burst_packets is not None and not _burst_is_possible(self.loss, self.burst_packets):
            raise ValueError("bursts are at least 1 packet long, and too short ones cannot make this loss")
        if min(self.delay_ns, self.jitter_ns, self.spared_ns, self.queue_bytes) < 0:
            raise ValueError("times and sizes are not negative")
        if self.rate_bps is not None and self.rate_bps <= 0:
            raise ValueError("a rate is positive")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what ``to_json`` described."""
        outage = values.get("outage_ns")
        return cls(**{**values, "outage_ns": None if outage is None else (outage[0], outage[1])})


class ImpairedDirection:
    """Packets of one direction on their way.

    Args:
        impairment: What happens to them.
        seed: Seed of every random choice.

    Attributes:
        counts: Packets per fate; a duplicate counts as sent and, once more, as duplicated.
    """

    def __init__(self, impairment: Impairment, *, seed: int) -> None:
        self._impairment = impairment
        self._random = random.Random(seed)
        self._first_ns: int | None = None
        self._in_bad_state = False
        self._link_free_ns = 0
        self._newest_due_ns = 0
        self._order = itertools.count()
        self._in_flight: list[tuple[int, int, bytes]] = []
        self.counts = dict.fromkeys(Fate, 0)

    @property
    def next_due_ns(self) -> int | None:
        """When the next packet is to be delivered; None while nothing is on its way."""
        return self._in_flight[0][0] if self._in_flight else None

    def admit(self, packet: bytes, now_ns: int) -> Fate:
        """Take a packet and return what becomes of it. Times rise from call to call."""
        if self._first_ns is None:
            self._first_ns = now_ns
        since_first_ns = now_ns - self._first_ns
        spared = since_first_ns < self._impairment.spared_ns
        lost, extra_ns, copy_extra_ns = self._draw()
        fate = self._fate(len(packet), now_ns, since_first_ns, lost and not spared)
        self.counts[fate] += 1
        if fate is Fate.SENT:
            left_ns = max(now_ns, self._link_free_ns) + self._impairment.delay_ns
            self._put(packet, left_ns + (0 if spared else extra_ns))
            if copy_extra_ns is not None and not spared:
                self.counts[Fate.DUPLICATED] += 1
                self._put(packet, left_ns + copy_extra_ns)
        return fate

    def due(self, now_ns: int) -> list[tuple[int, bytes]]:
        """Take out what is to be delivered by now: pairs of the time at which it was due, and the packet."""
        delivered = []
        while self._in_flight and self._in_flight[0][0] <= now_ns:
            due_ns, _, packet = heapq.heappop(self._in_flight)
            delivered.append((due_ns, packet))
        return delivered

    def _draw(self) -> tuple[bool, int, int | None]:
        """Draw everything about the next packet; always the same number of random values."""
        chance, extra, copy_chance, copy_extra = (
            self._random.random(),
            abs(self._random.gauss(0, 1)),
            self._random.random(),
            abs(self._random.gauss(0, 1)),
        )
        jitter_ns = self._impairment.jitter_ns
        duplicated = copy_chance < self._impairment.duplicate
        return (
            self._is_lost(chance),
            round(extra * jitter_ns),
            round(copy_extra * jitter_ns) if duplicated else None,
        )

    def _is_lost(self, chance: float) -> bool:
        loss, burst = self._impairment.loss, self._impairment.burst_packets
        if burst is None:
            return chance < loss
        stay = 1 - 1 / burst
        begin = loss / (1 - loss) / burst
        self._in_bad_state = chance < (stay if self._in_bad_state else begin)
        return self._in_bad_state

    def _fate(self, size: int, now_ns: int, since_first_ns: int, lost: bool) -> Fate:
        impairment = self._impairment
        outage = impairment.outage_ns
        if outage is not None and outage[0] <= since_first_ns < outage[1]:
            return Fate.OUTAGE
        if lost:
            return Fate.LOST
        if len(self._in_flight) >= MAX_PACKETS_IN_FLIGHT:
            return Fate.QUEUE_FULL
        if impairment.rate_bps is not None:
            starts_ns = max(now_ns, self._link_free_ns)
            waiting_bytes = (starts_ns - now_ns) * impairment.rate_bps // _BITS_NS
            if waiting_bytes + size > impairment.queue_bytes:
                return Fate.QUEUE_FULL
            self._link_free_ns = starts_ns + size * _BITS_NS // impairment.rate_bps
        return Fate.SENT

    def _put(self, packet: bytes, due_ns: int) -> None:
        if not self._impairment.reorder:
            due_ns = max(due_ns, self._newest_due_ns)
        self._newest_due_ns = max(due_ns, self._newest_due_ns)
        heapq.heappush(self._in_flight, (due_ns, next(self._order), packet))


def _burst_is_possible(loss: float, burst_packets: float) -> bool:
    return burst_packets >= 1 and loss / (1 - loss) / burst_packets <= 1
