from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aioice.ice
import aiortc
import pytest
from aiortc import RTCCertificate, RTCPeerConnection, RTCRtpReceiver, rtcicetransport
from aiortc.codecs import CODECS
from aiortc.rtp import (
    HeaderExtensions,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    wrap_rtx,
)

from realtime.errors import ConfigurationError
from realtime.ingest.aiortc_private import feedback, required
from realtime.ingest.aiortc_private.peer import close_peer, create_peer, require_supported_aiortc
from realtime.ingest.aiortc_private.receiver_tap import MAX_REMEMBERED_ARRIVALS, MAX_ROUTES, ReceiverTap
from realtime.ingest.bandwidth import EXPIRES_MS
from realtime.ingest.decoder import CodecName
from realtime.ingest.rtp.missing import REORDER_ALLOWANCE_NS
from realtime.ingest.rtp.packet import EncodedFrame, KeyFrameRequest, Nack
from realtime.types import TrackKind

MS = 1_000_000
VP8, RTX, H264, OPUS = 97, 98, 99, 96
SSRC, RTX_SSRC, OWN_SSRC = 11, 12, 99


class Observer:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def on_packet(self, rtp: int, arrival_ns: int) -> None:
        self.seen.append(("packet", rtp, arrival_ns))

    def on_report(self, ntp_ns: int, rtp: int, arrival_ns: int) -> None:
        self.seen.append(("report", ntp_ns, rtp, arrival_ns))


class Tapped:
    """A receiver of aiortc as it is once connected, with what it sends and what the tap says."""

    def __init__(self, kind: TrackKind = "video") -> None:
        self.peer = create_peer()
        self.receiver: Any = self.peer.addTransceiver(kind, direction="recvonly").receiver
        self.now_ns = 1000
        self.observer = Observer()
        self.frames: list[tuple[CodecName, EncodedFrame]] = []
        self.has_room = True
        self.ends = 0
        self.due: list[int | None] = []
        self.sent: list[Any] = []
        self.tap = ReceiverTap(
            self.receiver,
            kind=kind,
            observer=self.observer,
            clock_ns=lambda: self.now_ns,
            on_frame=self._on_frame,
            on_end=self._on_end,
            on_due=self._on_due,
        )
        self.receiver._set_rtcp_ssrc(OWN_SSRC)
        self.receiver._send_rtcp = self._send_rtcp
        for codec in CODECS[kind]:
            self.receiver._RTCRtpReceiver__codecs[codec.payloadType] = codec

    def _on_frame(self, codec: CodecName, frame: EncodedFrame) -> bool:
        self.frames.append((codec, frame))
        return self.has_room

    def _on_end(self) -> None:
        self.ends += 1

    def _on_due(self, due_ns: int | None) -> None:
        self.due.append(due_ns)

    async def _send_rtcp(self, packet: Any) -> None:
        self.sent.append(packet)

    async def arrive(self, number: int, *, key: bool = False, **changes: Any) -> RtpPacket:
        packet = RtpPacket(
            payload_type=VP8, sequence_number=number, timestamp=number * 3000, ssrc=SSRC, marker=1
        )
        packet.payload = bytes((0x10, 0 if key else 1, number % 256))
        for name, value in changes.items():
            setattr(packet, name, value)
        await self.receiver._handle_rtp_packet(packet, arrival_time_ms=self.now_ns // MS)
        return packet

    async def pass_time(self, span_ns: int) -> None:
        end_ns = self.now_ns + span_ns
        while (due_ns := self.tap.due_ns) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            await self.tap.on_timer()
        self.now_ns = end_ns

    @property
    def numbers(self) -> list[int]:
        return [frame.timestamp // 3000 for _, frame in self.frames]


def sender_report(ssrc: int = SSRC, ntp: int = 3 << 32, rtp: int = 77) -> RtcpSrPacket:
    info = RtcpSenderInfo(ntp_timestamp=ntp, rtp_timestamp=rtp, packet_count=1, octet_count=1)
    return RtcpSrPacket(ssrc=ssrc, sender_info=info)


async def test_the_installed_aiortc_has_the_private_parts_that_the_receive_path_needs() -> None:
    assert aiortc.__version__.startswith("1.16.")
    require_supported_aiortc()


def hide_on(target: type) -> Callable[[pytest.MonkeyPatch, str], None]:
    def hide(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        initialise = target.__init__

        def without(self: Any, *args: Any, **options: Any) -> None:
            initialise(self, *args, **options)
            vars(self).pop(name, None)

        monkeypatch.setattr(target, "__init__", without)
        if hasattr(target, name):
            monkeypatch.delattr(target, name)

    return hide


def hide_module_part(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(rtcicetransport, name)


@pytest.mark.parametrize(
    ("hide", "name"),
    [
        *((hide_on(RTCRtpReceiver), name) for name in required.RECEIVER_PARTS),
        *((hide_on(aiortc.RTCDtlsTransport), name) for name in required.TRANSPORT_PARTS),
        *((hide_on(aiortc.RTCIceTransport), name) for name in required.ICE_TRANSPORT_PARTS),
        *((hide_on(aiortc.rtcdtlstransport.RtpRouter), name) for name in required.ROUTER_PARTS),
        *((hide_on(RTCPeerConnection), name) for name in (required.PEER_CERTIFICATES,)),
        *((hide_on(aioice.ice.Connection), name) for name in required.CONNECTION_PARTS),
        *((hide_module_part, name) for name in (required.ICE_CONNECTION,)),
        *((hide_on(RTCCertificate), name) for name in required.CERTIFICATE_PARTS),
    ],
)
async def test_an_aiortc_without_one_of_them_is_refused_by_its_name(
    hide: Callable[[pytest.MonkeyPatch, str], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, name)
    monkeypatch.setattr(RTCRtpReceiver, "_set_rtcp_ssrc", lambda receiver, ssrc: None)
    with pytest.raises(ConfigurationError, match=name) as caught:
        require_supported_aiortc()
    assert "aiortc>=1.16,<1.17" in caught.value.fix


async def test_packets_become_frames_and_reports_are_passed_on() -> None:
    call = Tapped()
    await call.arrive(1, key=True, timestamp=0xFFFFFFFF, marker=0)
    call.now_ns = 2000
    await call.arrive(2, timestamp=0xFFFFFFFF, payload=b"\x00rest")
    await call.receiver._handle_rtcp_packet(sender_report())
    ((codec, frame),) = call.frames
    assert (codec, frame.timestamp, frame.data) == ("vp8", 0xFFFFFFFF, b"\x00\x01rest")
    assert call.observer.seen == [("packet", 0xFFFFFFFF, 1000), ("report", 3_000_000_000, 77, 2000)]
    assert call.tap.arrival_ns(0xFFFFFFFF) == call.tap.last_packet_ns == 2000
    assert call.tap.arrival_ns(5) is None
    assert call.tap.reports == 1
    assert call.sent == []
    assert call.tap.due_ns is None


async def test_remembered_arrivals_are_bounded() -> None:
    call = Tapped()
    for number in range(MAX_REMEMBERED_ARRIVALS + 1):
        await call.arrive(number, key=True)
    assert call.tap.arrival_ns(0) is None
    assert call.tap.arrival_ns(3000) is not None


async def test_a_missing_packet_is_asked_for_by_the_timer_and_its_retransmission_taken() -> None:
    call = Tapped()
    await call.arrive(1, key=True)
    await call.arrive(3)
    missed_ns = call.now_ns
    assert call.due == [missed_ns + REORDER_ALLOWANCE_NS]
    await call.pass_time(20 * MS)
    (nack,) = call.sent
    assert isinstance(nack, RtcpRtpfbPacket)
    assert (nack.lost, nack.media_ssrc, nack.ssrc) == ([2], SSRC, OWN_SSRC)
    missing = RtpPacket(payload_type=VP8, sequence_number=2, timestamp=6000, ssrc=SSRC, marker=1)
    missing.payload = b"\x10\x01\x02"
    again = wrap_rtx(missing, payload_type=RTX, sequence_number=500, ssrc=RTX_SSRC)
    await call.receiver._handle_rtp_packet(again, arrival_time_ms=0)
    assert call.numbers == [1, 2, 3]
    assert call.tap.track.counters.recovered == 1
    assert call.tap.due_ns is None
    assert call.due[-1] is None
    assert ("packet", 6000, call.now_ns) not in call.observer.seen
    assert call.receiver._RTCRtpReceiver__remote_streams.keys() == {SSRC}
    assert call.tap.track.statistics is not None
    assert call.tap.track.statistics.packets_received == 2


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\x02"])
async def test_probes_on_the_retransmission_stream_are_ignored(payload: bytes) -> None:
    call = Tapped()
    await call.arrive(1, key=True)
    await call.arrive(500, payload_type=RTX, ssrc=RTX_SSRC, payload=payload)
    assert call.tap.track.counters.packets == 1


async def test_a_key_frame_is_asked_for_after_giving_up() -> None:
    call = Tapped()
    await call.arrive(1, key=True)
    await call.arrive(3)
    await call.pass_time(1000 * MS)
    requests = [packet for packet in call.sent if isinstance(packet, RtcpPsfbPacket)]
    assert [(packet.fmt, packet.media_ssrc) for packet in requests] == [(1, SSRC)] * 2
    await call.arrive(4, key=True)
    assert call.numbers == [1, 4]


async def test_a_decoder_without_room_goes_on_with_the_next_key_frame_and_asks_for_it() -> None:
    call = Tapped()
    await call.arrive(1, key=True)
    call.has_room = False
    await call.arrive(2)
    call.has_room = True
    await call.arrive(3)
    await call.pass_time(10 * MS)
    await call.arrive(4)
    await call.arrive(5, key=True)
    assert call.numbers == [1, 2, 5]
    assert [type(packet) for packet in call.sent] == [RtcpPsfbPacket]


async def test_audio_packets_are_frames() -> None:
    call = Tapped("audio")
    await call.arrive(1, payload_type=OPUS, payload=b"opus")
    assert [(codec, frame.data) for codec, frame in call.frames] == [("opus", b"opus")]


async def test_formats_that_were_not_agreed_on_are_ignored() -> None:
    call = Tapped()
    await call.arrive(1, payload_type=127)
    await call.arrive(2, key=True, payload_type=H264, payload=b"\x67\x42")
    assert [codec for codec, _ in call.frames] == ["h264"]
    assert call.tap.track.counters.discarded == 1


@pytest.mark.parametrize(("sources", "ends"), [([SSRC], 1), ([RTX_SSRC], 0), ([], 0)])
async def test_a_goodbye_of_the_source_ends_the_track(sources: list[int], ends: int) -> None:
    call = Tapped()
    await call.arrive(1, key=True)
    await call.receiver._handle_rtcp_packet(RtcpByePacket(sources=sources))
    assert call.ends == ends


async def test_a_lost_transport_ends_the_track() -> None:
    call = Tapped()
    call.receiver._handle_disconnect()
    assert call.ends == 1


async def test_reports_of_other_sources_are_ignored() -> None:
    call = Tapped()
    await call.receiver._handle_rtcp_packet(sender_report(ssrc=RTX_SSRC))
    await call.arrive(1, key=True)
    await call.receiver._handle_rtcp_packet(sender_report(ssrc=RTX_SSRC))
    assert call.tap.reports == 0
    assert [what for what, *_ in call.observer.seen] == ["packet"]


async def test_a_report_that_comes_before_the_first_packet_of_its_source_counts_once() -> None:
    call = Tapped()
    await call.receiver._handle_rtcp_packet(sender_report())
    call.now_ns = 2000
    await call.arrive(1, key=True)
    await call.arrive(2)
    assert call.tap.reports == 1
    assert [(what, seen[-1]) for what, *seen in call.observer.seen] == [
        ("packet", 2000),
        ("report", 1000),
        ("packet", 2000),
    ]
    other = SSRC + 1
    await call.receiver._handle_rtcp_packet(sender_report(ssrc=other))
    await call.arrive(700, key=True, ssrc=other)
    assert [what for what, *_ in call.observer.seen[3:]] == ["packet", "report"]


async def test_a_flood_of_sources_leaves_small_tables_and_reports_that_can_be_written() -> None:
    call = Tapped()
    router = call.receiver.transport._rtp_router
    router.register_receiver(call.receiver, ssrcs=[SSRC], payload_types=[VP8])
    for ssrc in range(1000, 1000 + 5 * MAX_ROUTES):
        packet = await call.arrive(1, key=True, ssrc=ssrc)
        router.route_rtp(packet)
        await call.receiver._handle_rtcp_packet(sender_report(ssrc=ssrc))
    assert len(router.ssrc_table) <= MAX_ROUTES + 1
    for table in ("remote_streams", "lsr", "lsr_time"):
        assert len(getattr(call.receiver, f"_RTCRtpReceiver__{table}")) == 1
    for stream in call.receiver._RTCRtpReceiver__remote_streams.values():
        report = RtcpReceiverInfo(
            ssrc=SSRC,
            fraction_lost=stream.fraction_lost,
            packets_lost=stream.packets_lost,
            highest_sequence=stream.max_seq,
            jitter=stream.jitter,
            lsr=0,
            dlsr=0,
        )
        assert len(bytes(report)) == 24


async def test_the_bandwidth_estimate_is_sent_and_starts_anew_after_a_pause() -> None:
    call = Tapped()
    extensions = HeaderExtensions(abs_send_time=0)
    for number in range(700):
        call.now_ns += 10 * MS
        extensions = dataclasses.replace(extensions, abs_send_time=(number * 2621) % (1 << 24))
        await call.arrive(number, key=True, extensions=extensions, payload=b"\x10\x00" + bytes(1000))
    assert call.sent
    assert all(packet.fmt == 15 and packet.fci.startswith(b"REMB") for packet in call.sent)
    assert call.tap._bandwidth is not None
    before = call.tap._bandwidth._estimator
    call.now_ns += (EXPIRES_MS + 1) * MS
    await call.arrive(700, extensions=extensions)
    assert call.tap._bandwidth._estimator is not before


@pytest.mark.parametrize("length", range(1, 5))
async def test_header_extensions_of_the_wrong_size_are_a_packet_that_cannot_be_parsed(length: int) -> None:
    call = Tapped()
    transport = call.receiver.transport
    parameters = SimpleNamespace(
        headerExtensions=[
            SimpleNamespace(id=3, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")
        ]
    )
    transport._rtp_header_extensions_map.configure(parameters)
    value = (bytes((0x30 | length - 1,)) + bytes(length)).ljust(8, b"\x00")
    data = b"\x90\x61\x00\x01" + bytes(8) + b"\xbe\xde\x00\x02" + value + b"\x10\x00"
    if length == 3:
        assert RtpPacket.parse(data, transport._rtp_header_extensions_map).extensions.abs_send_time == 0
        return
    with pytest.raises(ValueError):
        RtpPacket.parse(data, transport._rtp_header_extensions_map)
    await transport._handle_rtp_data(data, arrival_time_ms=0)


async def test_rtcp_that_cannot_be_parsed_is_ignored() -> None:
    call = Tapped()
    remb_that_promises_too_much = b"\x8f\xce\x00\x04" + bytes(8) + b"REMB\xff\x00\x00\x00"
    await call.receiver.transport._handle_rtcp_data(remb_that_promises_too_much)
    await call.receiver.transport._handle_rtcp_data(b"\x80")


async def test_checks_without_priority_and_empty_datagrams_do_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = create_peer()
    peer.addTransceiver("audio", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    connection: Any = peer.getTransceivers()[0].receiver.transport.transport._connection
    connection.data_received(b"", 1)
    assert len(connection._queue) == 0
    connection.data_received(b"x", 1)
    assert await connection._queue.get() == (b"x", 1)
    monkeypatch.setattr(connection, "check_start_task", lambda pair: None)
    message = SimpleNamespace(attributes={})
    connection.check_incoming(message, ("192.0.2.1", 5000), connection._protocols[0])
    assert [(c.type, c.host) for c in connection.remote_candidates] == [("prflx", "192.0.2.1")]
    await close_peer(peer)


async def test_feedback_that_has_to_wait_is_bounded_and_what_gives_way_is_counted() -> None:
    call = Tapped()
    await call.arrive(1, key=True)
    for number in range(feedback.MAX_WAITING + 3):
        call.tap.feedback.put(Nack((number,)))
    call.tap.feedback.put(KeyFrameRequest())
    assert call.tap.feedback.dropped == 4
    await call.tap.feedback.send()
    *nacks, request = call.sent
    assert [packet.lost for packet in nacks] == [[number] for number in range(4, feedback.MAX_WAITING + 3)]
    assert isinstance(request, RtcpPsfbPacket)
    assert len(call.tap.feedback) == 0
