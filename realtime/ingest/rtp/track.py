"""One track's packets to frames, whatever the network does to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from realtime.ingest.rtp.audio import AudioBuffer
from realtime.ingest.rtp.key_frames import KeyFrameDemand
from realtime.ingest.rtp.packet import (
    Action,
    Counters,
    EncodedFrame,
    KeyFrameRequest,
    Nack,
    Packet,
    PayloadReader,
)
from realtime.ingest.rtp.sequence import SequenceExtender, is_restart
from realtime.ingest.rtp.statistics import SourceStatistics
from realtime.ingest.rtp.video import VideoBuffer
from realtime.timebase import NS_PER_MS, NS_PER_S
from realtime.types import TrackKind

FREEZE_NS = 200 * NS_PER_MS
SOURCE_SILENT_NS = 2 * NS_PER_S
MAX_REPLACED_SOURCES = 8


class TrackReceiver:
    """Receives one track: ``on_packet`` for every packet, ``on_timer`` while ``next_check_ns`` asks for it.

    A new SSRC takes the place of the one before, which is not believed again while the new one sends.

    Args:
        kind: The track's kind. Only for video packets are requested again.
        clock_hz: RTP clock rate.
        readers: How to read payloads, by payload type.

    Attributes:
        counters: What happened so far.
        statistics: The current source; None before the first packet.
        next_check_ns: When ``on_timer`` is to be called if no packet comes before; None while nothing is due.
    """

    def __init__(self, kind: TrackKind, *, clock_hz: int, readers: Mapping[int, PayloadReader]) -> None:
        self._kind = kind
        self._clock_hz = clock_hz
        self._readers = readers
        self._demand = KeyFrameDemand()
        self._replaced: deque[int] = deque(maxlen=MAX_REPLACED_SOURCES)
        self._extender = SequenceExtender()
        self._timestamp: int | None = None
        self._last_packet_ns = 0
        self._unproductive_since_ns: int | None = None
        self._frozen = False
        self.counters = Counters()
        self.statistics: SourceStatistics | None = None
        self.next_check_ns: int | None = None
        self._buffer = self._new_buffer()

    @property
    def ssrc(self) -> int | None:
        """The source that is received; None before the first packet."""
        return None if self.statistics is None else self.statistics.ssrc

    def on_packet(self, packet: Packet, now_ns: int, *, resent: bool = False) -> Sequence[Action]:
        """Take a packet and return what is to be done.

        Args:
            packet: The packet.
            now_ns: When it arrived.
            resent: Whether it came as a retransmission of its own format (RTX, RFC 4588), unwrapped.
        """
        statistics = self.statistics
        if statistics is None or packet.ssrc != statistics.ssrc:
            if packet.ssrc in self._replaced and now_ns - self._last_packet_ns < SOURCE_SILENT_NS:
                self.counters.discarded += 1
                return ()
            statistics = self._begin_source(packet.ssrc)
        highest = self._extender.highest
        number = self._extender.extend(packet.sequence_number)
        reader = self._readers.get(packet.payload_type)
        if number is None or reader is None:
            self.counters.discarded += 1
            return ()
        if highest is not None and is_restart(number - highest):
            self.statistics = statistics = SourceStatistics(packet.ssrc, clock_hz=self._clock_hz)
        self._last_packet_ns = now_ns
        if not resent:
            statistics.add(number)
            if packet.timestamp != self._timestamp:
                self._timestamp = packet.timestamp
                statistics.time_frame(packet.timestamp, now_ns)
        payload = packet.payload
        frames = self._buffer.add(number, packet, reader(payload) if payload else None, now_ns)
        if frames:
            self._hand_on(frames)
        elif payload:
            self._watch_for_freeze(now_ns)
        check_ns = self.next_check_ns = self._due_ns()
        return frames if check_ns is None or now_ns < check_ns else [*frames, *self.on_timer(now_ns)]

    def on_timer(self, now_ns: int) -> Sequence[Action]:
        """Return what is due."""
        frames = self._buffer.on_timer(now_ns)
        if frames:
            self._hand_on(frames)
        actions: list[Action] = [*frames]
        if self._kind == "video":
            again = self._buffer.missing.to_request(now_ns)
            if again:
                self.counters.nacks += 1
                actions.append(Nack(again))
            if self._demand.take_request(now_ns):
                self.counters.key_frame_requests += 1
                actions.append(KeyFrameRequest())
        self.next_check_ns = self._due_ns()
        return actions

    def require_key_frame(self, now_ns: int) -> None:
        """Hand on nothing before the next key frame: the decoder lost track. Audio needs none."""
        if self._kind == "video":
            self._demand.need(now_ns)
            self.next_check_ns = self._due_ns()

    def _begin_source(self, ssrc: int) -> SourceStatistics:
        if self.statistics is not None:
            self._replaced.append(self.statistics.ssrc)
            self.counters.lost += len(self._buffer.missing)
            self._extender = SequenceExtender()
            self._buffer = self._new_buffer()
            self._timestamp = None
        self.statistics = SourceStatistics(ssrc, clock_hz=self._clock_hz)
        return self.statistics

    def _new_buffer(self) -> VideoBuffer | AudioBuffer:
        if self._kind == "audio":
            return AudioBuffer(self.counters)
        self._demand.waiting = True
        return VideoBuffer(self.counters, self._demand)

    def _due_ns(self) -> int | None:
        due_ns = self._buffer.due_ns if self._buffer.missing else None
        wanted_ns = self._demand.due_ns
        if due_ns is None or wanted_ns is None:
            return wanted_ns if due_ns is None else due_ns
        return min(due_ns, wanted_ns)

    def _hand_on(self, frames: Sequence[EncodedFrame]) -> None:
        self.counters.frames += len(frames)
        self._unproductive_since_ns = None
        self._frozen = False

    def _watch_for_freeze(self, now_ns: int) -> None:
        if self._unproductive_since_ns is None or self.counters.frames == 0:
            self._unproductive_since_ns = now_ns
        elif not self._frozen and now_ns - self._unproductive_since_ns > FREEZE_NS:
            self._frozen = True
            self.counters.freezes += self._kind == "video"
