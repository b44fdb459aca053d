"""Audio packets in order; a lost one costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from realtime.ingest.rtp.missing import MissingPackets
from realtime.ingest.rtp.packet import Counters, EncodedFrame, Fragment, Packet
from realtime.ingest.rtp.reorder import ReorderBuffer
from realtime.timebase import NS_PER_MS

MAX_WAIT_NS = 50 * NS_PER_MS


class _Held(NamedTuple):
    packet: Packet
    fragment: Fragment | None
    arrival_ns: int


class AudioBuffer:
    """Hands on packets in order and waits at most ``MAX_WAIT_NS`` for one that was overtaken.

    Args:
        counters: The track's.

    Attributes:
        missing: The packets that are waited for.
    """

    def __init__(self, counters: Counters) -> None:
        self._order: ReorderBuffer[_Held] = ReorderBuffer(counters, self._on_skip)
        self.missing: MissingPackets = self._order.missing
        self._released: list[EncodedFrame] = []

    @property
    def due_ns(self) -> int | None:
        """When ``on_timer`` has something to do; None while nothing is missing."""
        oldest_ns = self.missing.oldest_ns
        return None if oldest_ns is None else oldest_ns + MAX_WAIT_NS

    def add(
        self, number: int, packet: Packet, fragment: Fragment | None, now_ns: int
    ) -> Sequence[EncodedFrame]:
        """Take a packet and return what it lets pass; see ``VideoBuffer.add``."""
        if self._order.is_next(number):
            return () if fragment is None else (_frame(packet, fragment, now_ns),)
        held = _Held(packet, fragment, now_ns)
        if not self._order.put(number, held, len(packet.payload), now_ns):
            return ()
        if self._order.is_full:
            self._give_up(now_ns)
        return self._drain()

    def on_timer(self, now_ns: int) -> Sequence[EncodedFrame]:
        """Give up what has been missing for too long, and return what waited for it."""
        self._give_up(now_ns - MAX_WAIT_NS)
        return self._drain()

    def _give_up(self, missing_since_ns: int) -> None:
        newest = self.missing.newest_since(missing_since_ns)
        if newest is not None:
            self._order.skip_to(newest + 1)

    def _on_skip(self, dropped: list[_Held]) -> None:
        for held in dropped:
            self._release(held)

    def _release(self, held: _Held) -> None:
        if held.fragment is not None:
            self._released.append(_frame(held.packet, held.fragment, held.arrival_ns))

    def _drain(self) -> Sequence[EncodedFrame]:
        while (held := self._order.pop()) is not None:
            self._release(held)
        released, self._released = self._released, []
        return released


def _frame(packet: Packet, fragment: Fragment, arrival_ns: int) -> EncodedFrame:
    return EncodedFrame(packet.timestamp, packet.payload_type, fragment.data, fragment.is_key, arrival_ns)
