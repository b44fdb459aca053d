"""Decoded sound waits until the decoder's counters say whether it was received or made up.

A WebRTC stack fills lost sound in (concealment) and then goes on with silence for as long as nothing comes.
Neither can be told from real sound by its samples. The counters can: they are those of the W3C's webrtc-stats
(``RTCInboundRtpStreamStats``). The codec's own silence (DTX) does not count as concealed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from realtime.timebase import NS_PER_S

#: A stretch of which more than this is concealed is not passed on.
MAX_CONCEALED_SHARE = 0.25
#: A sender in its codec's silence still sends every 0.4 s.
MAX_PACKET_SILENCE_NS = NS_PER_S
#: Sound about which nothing is learnt for this long is not passed on.
MAX_WAIT_NS = NS_PER_S

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutCounters:
    """Counters of one received audio track, since it began.

    Attributes:
        samples: Samples played out (``totalSamplesReceived``).
        concealed: Samples among them that were made up (``concealedSamples``).
        packets: Packets received (``packetsReceived``).
    """

    samples: int = 0
    concealed: int = 0
    packets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Generic[T]):
    """A block of sound and whether it may be passed on."""

    block: T
    genuine: bool


class ConcealmentGate(Generic[T]):
    """Holds blocks until they are judged. What is judged is a stretch: all that came since the last time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, T]] = deque()
        self._seen = PlayoutCounters()
        self._last_packet_ns: int | None = None

    def push(self, block: T, arrival_ns: int) -> None:
        """Add a block."""
        self._waiting.append((arrival_ns, block))

    def judge(self, counters: PlayoutCounters, asked_ns: int) -> list[Judged[T]]:
        """Return the blocks that arrived up to when the counters were asked for, oldest first."""
        before = self._seen
        if counters.samples < before.samples or counters.concealed < before.concealed:
            before = PlayoutCounters()
        if counters.packets != self._seen.packets or self._last_packet_ns is None:
            self._last_packet_ns = asked_ns
        self._seen = counters
        concealed = counters.concealed - before.concealed
        genuine = (
            concealed <= MAX_CONCEALED_SHARE * (counters.samples - before.samples)
            and asked_ns - self._last_packet_ns <= MAX_PACKET_SILENCE_NS
        )
        return self._take(asked_ns, genuine=genuine)

    def overdue(self, now_ns: int) -> list[Judged[T]]:
        """Return the blocks that have waited for too long; they are not genuine."""
        return self._take(now_ns - MAX_WAIT_NS - 1, genuine=False)

    def clear(self) -> None:
        """Forget the blocks that wait."""
        self._waiting.clear()

    def _take(self, until_ns: int, *, genuine: bool) -> list[Judged[T]]:
        taken: list[Judged[T]] = []
        while self._waiting and self._waiting[0][0] <= until_ns:
            taken.append(Judged(block=self._waiting.popleft()[1], genuine=genuine))
        return taken
