"""Tracks that hand aiortc packets which are encoded already, at the pace at which they were captured."""

from __future__ import annotations

import asyncio
from typing import Protocol

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from clients.publisher.encode import AUDIO_TIME_BASE, VIDEO_TIME_BASE, ClipPacket, to_ticks
from realtime.timebase import NS_PER_S
from realtime.types import TrackKind


class PacketSource(Protocol):
    """Where a participant's packets come from; ``clients.publisher.packets.EncodedClip`` is one."""

    @property
    def kinds(self) -> tuple[TrackKind, ...]:
        """The tracks that there are."""

    async def next(self, kind: TrackKind) -> ClipPacket | None:
        """Return the next packet of a track, None at its end."""

    async def aclose(self) -> None:
        """Stop reading. Idempotent."""


class Pace:
    """The moment at which clip time zero is sent; shared by the tracks of a clip, so that they stay in sync.

    Attributes:
        behind_s: The largest delay of a packet so far.
    """

    def __init__(self) -> None:
        self._start_s: float | None = None
        self.behind_s = 0.0

    async def wait_until(self, time_ns: int) -> None:
        """Wait until a clip time is due; the first call sets the start."""
        loop = asyncio.get_running_loop()
        if self._start_s is None:
            self._start_s = loop.time() - time_ns / NS_PER_S
        wait_s = self._start_s + time_ns / NS_PER_S - loop.time()
        self.behind_s = max(self.behind_s, -wait_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)


class PacketTrack(MediaStreamTrack):
    """One track of a clip.

    Args:
        clip: The packets.
        kind: Which of its tracks.
        pace: Shared by the clip's tracks.

    Attributes:
        finished: The track ended because the clip did.
        packets: Packets handed out.
        bytes: Their payload.
    """

    def __init__(self, clip: PacketSource, kind: TrackKind, pace: Pace) -> None:
        super().__init__()
        self.kind = kind
        self._clip = clip
        self._track_kind = kind
        self._pace = pace
        self._time_base = AUDIO_TIME_BASE if kind == "audio" else VIDEO_TIME_BASE
        self.finished = False
        self.packets = 0
        self.bytes = 0

    async def recv(self) -> av.Packet[av.stream.Stream]:
        """Return the next packet when it is due.

        Raises:
            MediaStreamError: The track has ended.
        """
        packet = None if self.readyState == "ended" else await self._clip.next(self._track_kind)
        if packet is None:
            self.finished = self.readyState == "live"
            self.stop()
            raise MediaStreamError
        await self._pace.wait_until(packet.time_ns)
        self.packets += 1
        self.bytes += len(packet.data)
        encoded: av.Packet[av.stream.Stream] = av.Packet(packet.data)
        encoded.pts = to_ticks(packet.time_ns, self._time_base)
        encoded.time_base = self._time_base
        return encoded
