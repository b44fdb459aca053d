"""The one place that touches aiortc's private parts; aiortc is pinned to 1.16 for it.

aiortc's own receive path stands still at the first lost packet, so packets go to ``realtime.ingest.rtp`` and
frames to ``realtime.ingest.decoder`` instead; what is left to aiortc is the transport, the routing of packets
to tracks, bandwidth estimation and the sending of RTCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import aioice.ice
import pylibsrtp
from aiortc import (
    RTCBundlePolicy,
    RTCCertificate,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    rtcicetransport,
)
from aiortc.rtp import (
    RTCP_PSFB_APP,
    HeaderExtensions,
    HeaderExtensionsMap,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpSrPacket,
    pack_remb_fci,
)

from realtime.errors import ConfigurationError
from realtime.ingest.aioice_shims import (
    IceConnection,
    IceProtocol,
    offer_loopback_as_last_resort,
    unchanged_connection,
)
from realtime.ingest.bandwidth import BandwidthEstimate, Estimate
from realtime.ingest.decoder import CodecName
from realtime.ingest.ice import IceServer
from realtime.ingest.media_path import MediaPath, Unprotect
from realtime.ingest.rtp.h264 import read_h264
from realtime.ingest.rtp.packet import (
    Action,
    EncodedFrame,
    KeyFrameRequest,
    Nack,
    PayloadReader,
    read_whole_frame,
)
from realtime.ingest.rtp.parsing import RtpPacket
from realtime.ingest.rtp.track import TrackReceiver
from realtime.ingest.rtp.vp8 import read_vp8
from realtime.ingest.sync import ntp_to_ns
from realtime.timebase import NS_PER_MS
from realtime.types import TrackKind

CLOCK_RATES_HZ: dict[TrackKind, int] = {"audio": 48_000, "video": 90_000}
MAX_REMEMBERED_ARRIVALS = 512
MAX_ROUTES = 64
#: Requests and estimates that wait to be sent; the oldest gives way, and is asked for again.
MAX_FEEDBACK = 32

_READERS: dict[CodecName, PayloadReader] = {"opus": read_whole_frame, "vp8": read_vp8, "h264": read_h264}
_RECEIVER_PARTS = (
    "_handle_rtp_packet",
    "_handle_rtcp_packet",
    "_handle_disconnect",
    "_send_rtcp",
    "_send_rtcp_nack",
    "_send_rtcp_pli",
    "_RTCRtpReceiver__codecs",
    "_RTCRtpReceiver__rtx_ssrc",
    "_RTCRtpReceiver__rtcp_ssrc",
    "_RTCRtpReceiver__remote_streams",
    "_RTCRtpReceiver__lsr",
    "_RTCRtpReceiver__lsr_time",
)
_TRANSPORT_PARTS = (
    "_rtp_router",
    "_rtp_header_extensions_map",
    "_handle_rtcp_data",
    "_rx_srtp",
    "_task",
    "_transport",
)
_ICE_TRANSPORT_PARTS = ("_connection",)
_ROUTER_PARTS = ("ssrc_table",)
_ICE_PARTS = ("Connection",)
_PROTOCOL = "StunProtocol"
_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_CONNECTION_PARTS = ("_queue", "_nominated", "_query_consent_task", "query_consent")
_PEER_PARTS = ("_RTCPeerConnection__certificates",)
_CERTIFICATE_PARTS = ("_create_ssl_context",)
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:"
    b"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"
)
_RTX_HEADER_BYTES = 2
_CONNECT = "__connect"
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
        self._feedback: deque[Estimate | Nack | KeyFrameRequest] = deque(maxlen=MAX_FEEDBACK)
        self._failure: Exception | None = None
        self._pass_rtcp = inner._handle_rtcp_packet
        self._pass_disconnect = inner._handle_disconnect
        self.track = TrackReceiver(kind, clock_hz=CLOCK_RATES_HZ[kind], readers=self._readers)
        self.reports = 0
        self.last_packet_ns: int | None = None
        inner._handle_rtp_packet = self._on_rtp
        inner._handle_rtcp_packet = self._on_rtcp
        inner._handle_disconnect = self._on_disconnect
        self._path = _harden(inner.transport)

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
        await self._send_feedback()
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
        await self._send_feedback()

    def _on_media(self, packet: RtpPacket) -> None:
        """Take a packet that came straight from the socket."""
        try:
            self._take(packet)
        except Exception as error:
            self._failure = error
        if self._feedback or self._failure is not None:
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
                self._feedback.append(estimate)
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

    async def _tell_estimate(self, estimate: Estimate) -> None:
        own_ssrc = self._receiver._RTCRtpReceiver__rtcp_ssrc
        if own_ssrc is not None:
            fci = pack_remb_fci(*estimate)
            await self._receiver._send_rtcp(
                RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own_ssrc, media_ssrc=0, fci=fci)
            )

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
                self._feedback.append(action)
                continue
            self._remember_arrival(action)
            if not self._on_frame(self._codecs[action.payload_type], action):
                self.require_key_frame()

    async def _send_feedback(self) -> None:
        while self._feedback:
            feedback = self._feedback.popleft()
            if isinstance(feedback, Nack):
                await self._receiver._send_rtcp_nack(self.track.ssrc, list(feedback.sequence_numbers))
            elif isinstance(feedback, KeyFrameRequest):
                await self._receiver._send_rtcp_pli(self.track.ssrc)
            else:
                await self._tell_estimate(feedback)

    def _remember_arrival(self, frame: EncodedFrame) -> None:
        self._arrivals[frame.timestamp] = frame.arrival_ns
        if len(self._arrivals) > MAX_REMEMBERED_ARRIVALS:
            self._arrivals.popitem(last=False)

    def _announce(self) -> None:
        self._announced_ns = self.track.next_check_ns
        is_urgent = self._feedback or self._failure is not None
        self._on_due(self._clock_ns() if is_urgent else self._announced_ns)


def create_peer(
    ice_servers: Sequence[IceServer] = (), *, bundle_policy: RTCBundlePolicy = RTCBundlePolicy.BALANCED
) -> RTCPeerConnection:
    """Return a connection that gets along with more peers than aiortc's own.

    It answers ffmpeg's connectivity checks, which carry no priority, takes part in DTLS with an RSA
    certificate (GStreamer), uses 127.0.0.1 where a machine has no other address, and ignores empty datagrams.

    Raises:
        ConfigurationError: This aiortc lacks a part that the receive path needs.
    """
    offer_loopback_as_last_resort()
    _require(rtcicetransport, _ICE_PARTS)
    vars(rtcicetransport)[_ICE_PARTS[0]] = IceConnection
    _require(aioice.ice, (_PROTOCOL,))
    vars(aioice.ice)[_PROTOCOL] = IceProtocol
    servers = [
        RTCIceServer(urls=server.url, username=server.username, credential=server.credential)
        for server in ice_servers
    ]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=servers, bundlePolicy=bundle_policy))
    _require(peer, _PEER_PARTS)
    _require(RTCCertificate, _CERTIFICATE_PARTS)
    certificates: list[RTCCertificate] = vars(peer)[_PEER_PARTS[0]]
    certificates[:] = [_Certificate.generateCertificate()]
    return peer


def require_supported_aiortc() -> None:
    """Raise ConfigurationError unless this aiortc has every private part that the receive path needs."""
    peer = create_peer()
    receiver = peer.addTransceiver("video", direction="recvonly").receiver
    _require(receiver, _RECEIVER_PARTS)
    _require(receiver.transport, _TRANSPORT_PARTS)
    _require(receiver.transport._transport, _ICE_TRANSPORT_PARTS)
    _require(receiver.transport._rtp_router, _ROUTER_PARTS)
    _require(unchanged_connection(), _CONNECTION_PARTS)


async def close_peer(peer: RTCPeerConnection) -> None:
    """Close a connection and wait for the tasks in which aiortc connects it. Idempotent."""
    await peer.close()
    connecting = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and frame.f_code.co_name == _CONNECT and frame.f_locals.get("self") is peer:
            connecting.append(task)
    await asyncio.gather(*connecting, return_exceptions=True)


def _require(part: object, names: Sequence[str]) -> None:
    owner = getattr(part, "__name__", type(part).__name__)
    missing = [f"{owner}.{name}" for name in names if not hasattr(part, name)]
    if missing:
        raise ConfigurationError(
            f"The installed aiortc lacks {', '.join(missing)}.",
            fix="Install an aiortc of the 1.16 series: pip install 'aiortc>=1.16,<1.17'.",
        )


def _harden(transport: Any) -> MediaPath:
    """Keep malformed header extensions and RTCP from ending the whole connection, and take its media.

    Idempotent; returns the way that the transport's media takes.
    """
    if isinstance(transport._rtp_header_extensions_map, _Extensions):
        return transport._rtp_header_extensions_map.path
    path = MediaPath(lambda: _unprotect_of(transport))
    transport._rtp_header_extensions_map = _Extensions(path)
    transport._transport._connection.take_media = path.take
    handle = transport._handle_rtcp_data

    async def handle_rtcp_data(data: bytes) -> None:
        with contextlib.suppress(struct.error, IndexError):
            await handle(data)

    transport._handle_rtcp_data = handle_rtcp_data
    return path


def _unprotect_of(transport: Any) -> Unprotect | None:
    """Return how packets are decrypted; None while aiortc would not do it."""
    session = transport._rx_srtp
    if session is None or transport._task is None:
        return None

    def unprotect(data: bytes) -> bytes | None:
        try:
            return bytes(session.unprotect(data))
        except (pylibsrtp.Error, ValueError):
            return None

    return unprotect


class _Extensions(HeaderExtensionsMap):
    """Raises what aiortc expects where an extension is shorter than its kind has to be."""

    def __init__(self, path: MediaPath) -> None:
        super().__init__()
        self.path = path

    def configure(self, parameters: Any) -> None:
        super().configure(parameters)
        for extension in parameters.headerExtensions:
            if extension.uri == _SEND_TIME_URI:
                self.path.send_time_id = extension.id

    def get(self, extension_profile: int, extension_value: bytes) -> HeaderExtensions:
        try:
            return super().get(extension_profile, extension_value)
        except struct.error as error:
            raise ValueError from error


class _Certificate(RTCCertificate):
    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context
