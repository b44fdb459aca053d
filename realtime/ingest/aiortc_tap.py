"""The one place that touches aiortc's and aioice's private parts; aiortc is pinned to 1.16 for it.

What aiortc keeps to itself and ingest needs: raw RTP timestamps instead of per-track zeros, the moment a
packet arrived, the RTP half of sender reports, bounds on the decoder's and the track's queue, and a host
candidate on a machine whose only interface is the loopback.
"""

from __future__ import annotations

import asyncio
import queue
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import aioice.ice
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtp import RtcpSrPacket

from realtime.errors import ConfigurationError
from realtime.ingest.sync import ntp_to_ns
from realtime.types import TrackKind

MAX_ENCODED_FRAMES: dict[TrackKind, int] = {"audio": 100, "video": 60}
MAX_DECODED_FRAMES: dict[TrackKind, int] = {"audio": 100, "video": 10}
MAX_REMEMBERED_ARRIVALS = 512
KEY_FRAME_REQUEST_INTERVAL = 15

_RECEIVER_PARTS = (
    "_track",
    "_handle_rtp_packet",
    "_handle_rtcp_packet",
    "_RTCRtpReceiver__timestamp_mapper",
    "_RTCRtpReceiver__decoder_queue",
    "_RTCRtpReceiver__decoder_error",
)
_CONNECT = "__connect"
_LOOPBACK = "127.0.0.1"


class RtpObserver(Protocol):
    """Follows the packets of one track; ``realtime.ingest.sync.TrackClock`` is one."""

    def on_packet(self, rtp: int, arrival_ns: int) -> None:
        """Take note of an RTP packet."""

    def on_report(self, ntp_ns: int, rtp: int, arrival_ns: int) -> None:
        """Take note of a sender report."""


class ReceiverTap:
    """Opens one aiortc receiver up, before it starts to receive.

    After it, the pts of the track's frames are raw 32-bit RTP timestamps.

    Args:
        receiver: A receiver that has a track and has not started.
        kind: The track's kind.
        observer: Follows packets and reports.
        clock_ns: Monotonic clock.

    Raises:
        ConfigurationError: This aiortc lacks a part that the tap needs.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        *,
        kind: TrackKind,
        observer: RtpObserver,
        clock_ns: Callable[[], int],
    ) -> None:
        require_private_parts(receiver)
        inner: Any = receiver
        self._observer = observer
        self._clock_ns = clock_ns
        self._arrivals: OrderedDict[int, int] = OrderedDict()
        self._pass_rtp = inner._handle_rtp_packet
        self._pass_rtcp = inner._handle_rtcp_packet
        self._encoded = _EncodedQueue(kind, inner._RTCRtpReceiver__decoder_error)
        self._decoded = _NewestQueue(MAX_DECODED_FRAMES[kind])
        self.last_packet_ns: int | None = None
        self.packets = 0
        self.reports = 0
        inner._RTCRtpReceiver__timestamp_mapper = _RawTimestamps()
        inner._RTCRtpReceiver__decoder_queue = self._encoded
        inner._track._queue = self._decoded
        inner._handle_rtp_packet = self._on_rtp
        inner._handle_rtcp_packet = self._on_rtcp

    @property
    def dropped_encoded(self) -> int:
        """Frames dropped before decoding because the decoder was too far behind."""
        return self._encoded.dropped

    @property
    def dropped_decoded(self) -> int:
        """Decoded frames dropped because the event loop was too far behind."""
        return self._decoded.dropped

    def arrival_ns(self, rtp: int) -> int | None:
        """Return when the last packet of a frame arrived, None if that is forgotten."""
        return self._arrivals.get(rtp)

    def discard_pending(self) -> None:
        """Forget what waits for the decoder, so that stopping the receiver does not wait for it."""
        self._encoded.clear()

    async def _on_rtp(self, packet: Any, arrival_time_ms: int) -> None:
        now_ns = self._clock_ns()
        self.packets += 1
        self.last_packet_ns = now_ns
        self._arrivals[packet.timestamp] = now_ns
        if len(self._arrivals) > MAX_REMEMBERED_ARRIVALS:
            self._arrivals.popitem(last=False)
        self._observer.on_packet(packet.timestamp, now_ns)
        await self._pass_rtp(packet, arrival_time_ms)

    async def _on_rtcp(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            self.reports += 1
            info = packet.sender_info
            self._observer.on_report(ntp_to_ns(info.ntp_timestamp), info.rtp_timestamp, self._clock_ns())
        await self._pass_rtcp(packet)


def require_private_parts(receiver: RTCRtpReceiver) -> None:
    """Raise ConfigurationError unless this aiortc has every part that the tap needs."""
    missing = [name for name in _RECEIVER_PARTS if not hasattr(receiver, name)]
    if not missing and not hasattr(getattr(receiver, "_track", None), "_queue"):
        missing = ["_track._queue"]
    if missing:
        raise ConfigurationError(
            f"The installed aiortc lacks {', '.join(missing)}.", fix="Install an aiortc of the 1.16 series."
        )


def offer_loopback_as_last_resort() -> None:
    """Let ICE use 127.0.0.1 where a machine has no other address; aioice leaves it out. Idempotent."""
    ice: Any = aioice.ice
    if not isinstance(ice.get_host_addresses, _HostAddresses):
        ice.get_host_addresses = _HostAddresses(ice.get_host_addresses)


async def close_peer(peer: RTCPeerConnection) -> None:
    """Close a connection and wait for the tasks in which aiortc connects it. Idempotent."""
    await peer.close()
    connecting = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_code.co_name == _CONNECT and frame.f_locals.get("self") is peer:
            connecting.append(task)
    await asyncio.gather(*connecting, return_exceptions=True)


class _HostAddresses:
    def __init__(self, found: Callable[..., list[str]]) -> None:
        self._found = found

    def __call__(self, use_ipv4: bool, use_ipv6: bool) -> list[str]:
        addresses = self._found(use_ipv4=use_ipv4, use_ipv6=use_ipv6)
        return addresses or ([_LOOPBACK] if use_ipv4 else [])


class _RawTimestamps:
    """Stands in for aiortc's mapper, which takes every small step backwards for a wrap."""

    def map(self, timestamp: int) -> int:
        return timestamp


class _NewestQueue(asyncio.Queue[Any]):
    """Decoded frames; drops the oldest. None is the end of the track and never dropped."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.dropped = 0

    async def put(self, item: Any) -> None:
        if item is not None and self.qsize() >= self._limit:
            self.get_nowait()
            self.dropped += 1
        await super().put(item)


class _EncodedQueue(queue.Queue[Any]):
    """Encoded frames on the way to the decoder thread; drops the newest while it is full.

    Video goes on with the next key frame; the receiver's own error flag makes it ask the sender for one.
    """

    def __init__(self, kind: TrackKind, decoder_error: Any) -> None:
        super().__init__()
        self._kind = kind
        self._limit = MAX_ENCODED_FRAMES[kind]
        self._decoder_error = decoder_error
        self._since_request: int | None = None
        self.dropped = 0

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is not None and not self._admits(*item):
            self.dropped += 1
            return
        super().put(item, block, timeout)

    def clear(self) -> None:
        with self.mutex:
            self.dropped += sum(item is not None for item in self.queue)
            ended = None in self.queue
            self.queue.clear()
            if ended:
                self.queue.append(None)

    def _admits(self, codec: Any, encoded: Any) -> bool:
        full = self.qsize() >= self._limit
        if self._kind == "audio":
            return not full
        if not full and (self._since_request is None or is_key_frame(codec.name, encoded.data)):
            self._since_request = None
            return True
        if self._since_request is None or self._since_request >= KEY_FRAME_REQUEST_INTERVAL:
            self._decoder_error.set()
            self._since_request = 0
        self._since_request += 1
        return False


def is_key_frame(codec: str, data: bytes) -> bool:
    """Tell whether a picture stands on its own: VP8 (RFC 6386, 9.1), H.264 with an IDR or SPS unit."""
    if codec.upper() == "VP8":
        return len(data) > 0 and data[0] & 1 == 0
    start = data.find(b"\x00\x00\x01")
    while start >= 0 and start + 3 < len(data):
        if data[start + 3] & 0x1F in (5, 7):
            return True
        start = data.find(b"\x00\x00\x01", start + 3)
    return False
