"""The packets and reports of one aiortc receiver."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aiortc import RTCRtpReceiver
from aiortc.rtp import RtcpByePacket, RtcpSrPacket

from realtime.ingest.aiortc_private.feedback import Feedback
from realtime.ingest.aiortc_private.media_transport import media_path_of
from realtime.ingest.bandwidth import BandwidthEstimate
from realtime.ingest.decoder import CodecName
from realtime.ingest.rtp.h264 import read_h264
from realtime.ingest.rtp.packet import Action, EncodedFrame, PayloadReader, read_whole_frame
from realtime.ingest.rtp.parsing import RtpPacket
from realtime.ingest.rtp.track import TrackReceiver
from realtime.ingest.rtp.vp8 import read_vp8
from realtime.ingest.sync import ntp_to_ns
from realtime.timebase import NS_PER_MS
from realtime.types import TrackKind

CLOCK_RATES_HZ: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}
MAX_REMEMBERED_ARRIVALS = 512
MAX_ROUTES = 64

_READERS: dict[CodecName, PayloadReader] = {"opus": read_whole_frame, "vp8": read_vp8, "h264": read_h264}
_RTX_HEADER_BYTES = 2
_RTX = "rtx"


class RtpObserver(Protocol):
    """Follows the packets of one track; ``realtime.ingest.sync.TrackClock`` is one."""

    def on_packet(self, rtp: int, arrival_ns: int) -> None:
        """Take note of the first packet of a frame."""

    def on_report(self, ntp_ns: int, rtp: int, arrival_ns: int) -> None:
        """Take note of a sender report."""


class ReceiverTap:
    """Takes the packets of one aiortc receiver that has not started yet.

    Args:
        receiver: Has its final transport.
        kind: The track's kind.
        observer: Follows packets and reports.
        clock_ns: Monotonic clock.
        on_frame: Takes a complete frame, or returns False: too much waits to be decoded.
        on_end: Called when the peer has ended the track; once or more often.
        on_due: Told when ``on_timer`` is due, whenever that changes; None while nothing is.

    Attributes:
        track: The state of the track.
        feedback: What waits to be told to the sender.
        reports: Sender reports that arrived.
        last_packet_ns: When the last packet arrived; None before the first.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        *,
        kind: TrackKind,
        observer: RtpObserver,
        clock_ns: Callable[[], int],
        on_frame: Callable[[CodecName, EncodedFrame], bool],
        on_end: Callable[[], None],
        on_due: Callable[[int | None], None],
    ) -> None:
        inner: Any = receiver
        self._receiver = inner
        self._observer = observer
        self._clock_ns = clock_ns
        self._on_frame = on_frame
        self._on_end = on_end
        self._on_due = on_due
        self._codecs: dict[int, CodecName] = {}
        self._originals: dict[int, int] = {}
        self._readers: dict[int, PayloadReader] = {}
        self._arrivals: OrderedDict[int, int] = OrderedDict()
        self._timestamp: int | None = None
        self._bandwidth = BandwidthEstimate() if kind == "video" else None
        self._announced_ns: int | None = None
        self._early_report: tuple[RtcpSrPacket, int] | None = None
        self._failure: Exception | None = None
        self._pass_rtcp = inner._handle_rtcp_packet
        self._pass_disconnect = inner._handle_disconnect
        self.track = TrackReceiver(kind, clock_hz=CLOCK_RATES_HZ[kind], readers=self._readers)
        self.feedback = Feedback(inner, lambda: self.track.ssrc)
        self.reports = 0
        self.last_packet_ns: int | None = None
        inner._handle_rtp_packet = self._on_rtp
        inner._handle_rtcp_packet = self._on_rtcp
        inner._handle_disconnect = self._on_disconnect
        self._path = media_path_of(inner.transport)

    def arrival_ns(self, rtp: int) -> int | None:
        """Return when the last packet of a frame arrived, None if that is forgotten."""
        return self._arrivals.get(rtp)

    def require_key_frame(self) -> None:
        """The decoder lost track of the pictures; nothing comes before the next key frame."""
        self.track.require_key_frame(self._clock_ns())
        self._announce()

    @property
    def due_ns(self) -> int | None:
        """When ``on_timer`` is due; None while nothing is."""
        return self.track.next_check_ns

    async def on_timer(self) -> None:
        """Do what is due.

        Raises:
            Exception: What went wrong with a packet since the last time.
        """
        if self._failure is not None:
            raise self._failure
        now_ns = self._clock_ns()
        due_ns = self.due_ns
        if due_ns is not None and now_ns >= due_ns:
            self._perform(self.track.on_timer(now_ns))
        await self.feedback.send()
        self._announce()

    async def _on_rtp(self, packet: Any, arrival_time_ms: int) -> None:
        """Take a packet that came through aiortc."""
        del arrival_time_ms
        self._take(
            RtpPacket(
                ssrc=packet.ssrc,
                sequence_number=packet.sequence_number,
                timestamp=packet.timestamp,
                marker=packet.marker,
                payload_type=packet.payload_type,
                payload=packet.payload,
                padding_size=packet.padding_size,
                abs_send_time=packet.extensions.abs_send_time,
            )
        )
        await self._take_early_report()
        await self.feedback.send()

    def _on_media(self, packet: RtpPacket) -> None:
        """Take a packet that came straight from the socket."""
        try:
            self._take(packet)
        except Exception as error:
            self._failure = error
        if self.feedback or self._failure is not None:
            self._announce()

    def _take(self, packet: RtpPacket) -> None:
        now_ns = self._clock_ns()
        if not self._readers:
            self._learn_formats()
        if self._bandwidth is not None and packet.abs_send_time is not None:
            estimate = self._bandwidth.add(
                abs_send_time=packet.abs_send_time,
                arrival_ms=now_ns // NS_PER_MS,
                size=len(packet.payload) + packet.padding_size,
                ssrc=self.track.ssrc or packet.ssrc,
            )
            if estimate is not None:
                self.feedback.put(estimate)
        resent = packet.payload_type in self._originals
        if resent and not self._unwrap(packet):
            return
        self.last_packet_ns = now_ns
        track = self.track
        source = track.statistics
        actions = track.on_packet(packet, now_ns, resent=resent)
        if track.statistics is not source:
            self._follow_source()
        if packet.timestamp != self._timestamp and packet.ssrc == track.ssrc and not resent:
            self._timestamp = packet.timestamp
            self._observer.on_packet(packet.timestamp, now_ns)
        if actions:
            self._perform(actions)
        if track.next_check_ns != self._announced_ns:
            self._announce()

    async def _on_rtcp(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            if packet.ssrc == self.track.ssrc:
                await self._take_report(packet, self._clock_ns())
            else:
                self._early_report = packet, self._clock_ns()
        elif isinstance(packet, RtcpByePacket) and self.track.ssrc in (None, *packet.sources):
            self._on_end()
            await self._pass_rtcp(packet)

    async def _take_report(self, packet: RtcpSrPacket, arrival_ns: int) -> None:
        self.reports += 1
        info = packet.sender_info
        self._observer.on_report(ntp_to_ns(info.ntp_timestamp), info.rtp_timestamp, arrival_ns)
        await self._pass_rtcp(packet)

    async def _take_early_report(self) -> None:
        """Take the report that came before the first packet of its source, as ffmpeg's does."""
        early = self._early_report
        if early is not None and early[0].ssrc == self.track.ssrc:
            self._early_report = None
            await self._take_report(*early)

    def _on_disconnect(self) -> None:
        self._path.follow(self._on_media, None)
        self._on_end()
        self._pass_disconnect()

    def _learn_formats(self) -> None:
        codecs = self._receiver._RTCRtpReceiver__codecs
        for payload_type, codec in codecs.items():
            name = codec.name.lower()
            if name in _READERS:
                self._codecs[payload_type] = name
                self._readers[payload_type] = _READERS[name]
            elif name == _RTX and codec.parameters.get("apt") in codecs:
                self._originals[payload_type] = codec.parameters["apt"]

    def _unwrap(self, packet: RtpPacket) -> bool:
        """Make the original of a retransmission (RFC 4588); False if there is none, as in probes."""
        ssrc = self._receiver._RTCRtpReceiver__rtx_ssrc.get(packet.ssrc, self.track.ssrc)
        payload = packet.payload
        if ssrc is None or len(payload) <= _RTX_HEADER_BYTES:
            return False
        packet.payload_type = self._originals[packet.payload_type]
        packet.ssrc = ssrc
        packet.sequence_number = int.from_bytes(payload[:_RTX_HEADER_BYTES], "big")
        packet.payload = payload[_RTX_HEADER_BYTES:]
        return True

    def _follow_source(self) -> None:
        """Let receiver reports speak of the current source only, and keep aiortc's tables small."""
        inner = self._receiver
        for table in ("remote_streams", "lsr", "lsr_time"):
            getattr(inner, f"_RTCRtpReceiver__{table}").clear()
        ssrc = self.track.ssrc
        inner._RTCRtpReceiver__remote_streams[ssrc] = self.track.statistics
        self._path.follow(self._on_media, ssrc)
        routes = inner.transport._rtp_router.ssrc_table
        if len(routes) > MAX_ROUTES:
            keep = {ssrc, *inner._RTCRtpReceiver__rtx_ssrc}
            for other in [key for key, to in routes.items() if to is inner and key not in keep]:
                del routes[other]

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if not isinstance(action, EncodedFrame):
                self.feedback.put(action)
                continue
            self._remember_arrival(action)
            if not self._on_frame(self._codecs[action.payload_type], action):
                self.require_key_frame()

    def _remember_arrival(self, frame: EncodedFrame) -> None:
        self._arrivals[frame.timestamp] = frame.arrival_ns
        if len(self._arrivals) > MAX_REMEMBERED_ARRIVALS:
            self._arrivals.popitem(last=False)

    def _announce(self) -> None:
        self._announced_ns = self.track.next_check_ns
        is_urgent = self.feedback or self._failure is not None
        self._on_due(self._clock_ns() if is_urgent else self._announced_ns)
