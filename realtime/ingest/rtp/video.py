"""Video packets to complete frames that can be decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from realtime.ingest.rtp.key_frames import KeyFrameDemand
from realtime.ingest.rtp.missing import MissingPackets
from realtime.ingest.rtp.packet import Counters, EncodedFrame, Fragment, Packet
from realtime.ingest.rtp.reorder import ReorderBuffer
from realtime.timebase import NS_PER_MS

GIVE_UP_NS = 450 * NS_PER_MS
MAX_FRAME_BYTES = 4 << 20
MAX_FRAME_PACKETS = 4096


class _Held(NamedTuple):
    packet: Packet
    fragment: Fragment | None
    arrival_ns: int

    @property
    def begins_key_frame(self) -> bool:
        return self.fragment is not None and self.fragment.begins_frame and self.fragment.is_key


class VideoBuffer:
    """Hands on complete frames in order; nothing that rests on an incomplete one.

    A frame is complete with its marker bit, or with the next timestamp. A missing packet holds everything
    after it back for at most ``GIVE_UP_NS``; after that the next key frame is the next frame.

    Args:
        counters: The track's.
        demand: Outlives the buffer, so that requests keep their distance across restarts.

    Attributes:
        missing: The packets that are waited for.
    """

    def __init__(self, counters: Counters, demand: KeyFrameDemand) -> None:
        self._counters = counters
        self._demand = demand
        self._order: ReorderBuffer[_Held] = ReorderBuffer(counters, self._on_skip)
        self.missing: MissingPackets = self._order.missing
        self._now_ns = 0
        self._contiguous = False
        self._open = False
        self._timestamp = 0
        self._payload_type = 0
        self._arrival_ns = 0
        self._parts: list[bytes] = []
        self._bytes = 0
        self._intact = False
        self._is_key = False

    @property
    def due_ns(self) -> int | None:
        """When a packet is to be asked for or given up; None while nothing is missing."""
        oldest_ns, request_ns = self.missing.oldest_ns, self.missing.next_request_ns
        if oldest_ns is None or request_ns is None:
            return None
        return min(request_ns, oldest_ns + GIVE_UP_NS)

    def add(
        self, number: int, packet: Packet, fragment: Fragment | None, now_ns: int
    ) -> Sequence[EncodedFrame]:
        """Take a packet.

        Args:
            number: Its extended sequence number.
            packet: The packet.
            fragment: What it carries; None where its payload is empty or damaged.
            now_ns: When it arrived.

        Returns:
            The frames that it completes.
        """
        self._now_ns = now_ns
        if self._order.is_next(number):
            return self._assemble(packet, fragment, now_ns)
        held = _Held(packet, fragment, now_ns)
        if not self._order.put(number, held, len(packet.payload), now_ns):
            return ()
        if held.begins_key_frame and number != self._order.next_number and self._is_idle:
            self._order.skip_to(number)
        elif self._order.is_full:
            self._give_up(now_ns)
        return self._drain()

    def on_timer(self, now_ns: int) -> Sequence[EncodedFrame]:
        """Give up what has been missing for too long, and return the frames which that sets free."""
        self._now_ns = now_ns
        self._give_up(now_ns - GIVE_UP_NS)
        return self._drain()

    @property
    def _is_idle(self) -> bool:
        """Whether a key frame is waited for, and none is being put together."""
        return self._demand.waiting and not (self._intact and self._is_key)

    def _give_up(self, missing_since_ns: int) -> None:
        newest = self.missing.newest_since(missing_since_ns)
        if newest is None:
            return
        behind = ((number, held) for number, held in self._order.held() if number > newest)
        key_frames = (number for number, held in behind if held.begins_key_frame)
        self._order.skip_to(next(key_frames, newest + 1))

    def _on_skip(self, dropped: list[_Held]) -> None:
        timestamps = {held.packet.timestamp for held in dropped if held.fragment is not None}
        if self._open:
            timestamps.add(self._timestamp)
        self._counters.damaged += len(timestamps)
        self._close()
        self._contiguous = False
        self._demand.need(self._now_ns)

    def _drain(self) -> Sequence[EncodedFrame]:
        frames: list[EncodedFrame] = []
        while (held := self._order.pop()) is not None:
            frames += self._assemble(*held)
        return frames

    def _assemble(self, packet: Packet, fragment: Fragment | None, arrival_ns: int) -> Sequence[EncodedFrame]:
        """Add the packet whose turn it is to its frame; one without payload is padding."""
        if not packet.payload:
            return ()
        before: Sequence[EncodedFrame] = ()
        if not self._open or packet.timestamp != self._timestamp:
            before = self._finish() if self._open else ()
            self._open = True
            self._timestamp, self._payload_type = packet.timestamp, packet.payload_type
            self._arrival_ns = arrival_ns
            self._intact = self._contiguous or (fragment is not None and fragment.begins_frame)
        self._contiguous = True
        self._arrival_ns = max(self._arrival_ns, arrival_ns)
        if fragment is None or self._bytes > MAX_FRAME_BYTES or len(self._parts) >= MAX_FRAME_PACKETS:
            self._intact = False
            self._parts = []
        elif self._intact:
            self._append(fragment)
        if not packet.marker:
            return before
        return [*before, *self._finish()] if before else self._finish()

    def _append(self, fragment: Fragment) -> None:
        self._parts.append(fragment.data)
        self._bytes += len(fragment.data)
        if fragment.is_key and not self._is_key:
            self._is_key = True
            if self._demand.waiting:
                self._demand.in_sight(self._now_ns)

    def _finish(self) -> Sequence[EncodedFrame]:
        if not self._intact or (self._demand.waiting and not self._is_key):
            self._close()
            self._counters.damaged += 1
            self._demand.need(self._now_ns)
            return ()
        if self._demand.waiting:
            self._demand.met()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        frame = EncodedFrame(self._timestamp, self._payload_type, data, self._is_key, self._arrival_ns)
        self._close()
        return (frame,)

    def _close(self) -> None:
        self._open = self._intact = self._is_key = False
        self._parts = []
        self._bytes = 0
