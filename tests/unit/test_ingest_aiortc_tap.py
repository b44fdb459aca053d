import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import aioice.ice
import aiortc
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket

from realtime.errors import ConfigurationError
from realtime.ingest import aiortc_tap
from realtime.ingest.aiortc_tap import (
    KEY_FRAME_REQUEST_INTERVAL,
    MAX_DECODED_FRAMES,
    MAX_ENCODED_FRAMES,
    MAX_REMEMBERED_ARRIVALS,
    ReceiverTap,
    is_key_frame,
    offer_loopback_as_last_resort,
    require_private_parts,
)
from realtime.types import TrackKind

VP8 = SimpleNamespace(name="VP8", mimeType="video/VP8")
KEY, DELTA = b"\x10\x00", b"\x11\x00"


class Observer:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def on_packet(self, rtp: int, arrival_ns: int) -> None:
        self.seen.append(("packet", rtp, arrival_ns))

    def on_report(self, ntp_ns: int, rtp: int, arrival_ns: int) -> None:
        self.seen.append(("report", ntp_ns, rtp, arrival_ns))


async def make_receiver(kind: TrackKind) -> RTCRtpReceiver:
    """A real receiver with a track, as aiortc leaves it after an offer."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = peer.addTransceiver(kind, direction="recvonly").receiver
    receiver._track = RemoteStreamTrack(kind=kind)
    await peer.close()
    return receiver


def tap_of(receiver: RTCRtpReceiver, kind: TrackKind) -> tuple[ReceiverTap, Observer]:
    observer = Observer()
    ticks = iter(range(1000, 100_000))
    return ReceiverTap(receiver, kind=kind, observer=observer, clock_ns=lambda: next(ticks)), observer


def encoded(data: bytes) -> tuple[Any, Any]:
    return VP8, SimpleNamespace(data=data, timestamp=0)


async def test_the_installed_aiortc_has_the_parts_that_the_tap_needs() -> None:
    assert aiortc.__version__.startswith("1.16.")
    require_private_parts(await make_receiver("video"))


@pytest.mark.parametrize("name", aiortc_tap._RECEIVER_PARTS)
async def test_an_aiortc_without_one_of_them_is_refused_by_name(name: str) -> None:
    receiver = await make_receiver("audio")
    parts = {part: object() for part in aiortc_tap._RECEIVER_PARTS if part != name}
    parts.setdefault("_track", receiver.track) if name != "_track" else None
    with pytest.raises(ConfigurationError, match=name) as caught:
        require_private_parts(SimpleNamespace(**parts))
    assert "1.16" in caught.value.fix


async def test_packets_and_reports_are_passed_on_with_their_arrival() -> None:
    receiver = await make_receiver("video")
    tap, observer = tap_of(receiver, "video")
    inner: Any = receiver
    packet = RtpPacket(payload_type=97, sequence_number=1, timestamp=0xFFFFFFFF)
    await inner._handle_rtp_packet(packet, arrival_time_ms=0)
    info = RtcpSenderInfo(ntp_timestamp=3 << 32, rtp_timestamp=77, packet_count=1, octet_count=1)
    await inner._handle_rtcp_packet(RtcpSrPacket(ssrc=1, sender_info=info))
    assert observer.seen == [("packet", 0xFFFFFFFF, 1000), ("report", 3_000_000_000, 77, 1001)]
    assert tap.arrival_ns(0xFFFFFFFF) == tap.last_packet_ns == 1000
    assert (tap.packets, tap.reports) == (1, 1)
    assert inner._RTCRtpReceiver__timestamp_mapper.map(5) == 5
    assert inner._RTCRtpReceiver__timestamp_mapper.map(3) == 3


async def test_remembered_arrivals_are_bounded() -> None:
    receiver = await make_receiver("video")
    tap, _ = tap_of(receiver, "video")
    inner: Any = receiver
    for index in range(MAX_REMEMBERED_ARRIVALS + 1):
        packet = RtpPacket(payload_type=97, sequence_number=index, timestamp=index)
        await inner._handle_rtp_packet(packet, arrival_time_ms=0)
    assert tap.arrival_ns(0) is None
    assert tap.arrival_ns(1) is not None


async def test_decoded_frames_drop_the_oldest_but_never_the_end() -> None:
    receiver = await make_receiver("video")
    tap, _ = tap_of(receiver, "video")
    limit = MAX_DECODED_FRAMES["video"]
    decoded: asyncio.Queue[Any] = receiver.track._queue
    for index in range(limit + 3):
        await decoded.put(index)
    await decoded.put(None)
    assert tap.dropped_decoded == 3
    assert [decoded.get_nowait() for _ in range(limit + 1)] == [*range(3, limit + 3), None]


async def test_a_full_video_decoder_goes_on_with_the_next_key_frame_and_asks_for_it() -> None:
    receiver = await make_receiver("video")
    tap, _ = tap_of(receiver, "video")
    inner: Any = receiver
    waiting = inner._RTCRtpReceiver__decoder_queue
    error: threading.Event = inner._RTCRtpReceiver__decoder_error
    for _ in range(MAX_ENCODED_FRAMES["video"]):
        waiting.put(encoded(DELTA))
    assert not error.is_set()
    waiting.put(encoded(DELTA))
    assert error.is_set()
    error.clear()
    tap.discard_pending()
    for _ in range(KEY_FRAME_REQUEST_INTERVAL - 1):
        waiting.put(encoded(DELTA))
    assert not error.is_set()
    waiting.put(encoded(DELTA))
    assert error.is_set()
    assert waiting.qsize() == 0
    waiting.put(encoded(KEY))
    waiting.put(encoded(DELTA))
    assert waiting.qsize() == 2
    assert tap.dropped_encoded == MAX_ENCODED_FRAMES["video"] + 1 + KEY_FRAME_REQUEST_INTERVAL


async def test_a_full_audio_decoder_drops_the_newest_and_recovers_at_once() -> None:
    receiver = await make_receiver("audio")
    tap, _ = tap_of(receiver, "audio")
    inner: Any = receiver
    waiting = inner._RTCRtpReceiver__decoder_queue
    for _ in range(MAX_ENCODED_FRAMES["audio"] + 2):
        waiting.put(encoded(DELTA))
    assert tap.dropped_encoded == 2
    waiting.get()
    waiting.put(encoded(DELTA))
    waiting.put(None)
    assert tap.dropped_encoded == 2
    tap.discard_pending()
    assert waiting.get_nowait() is None


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("VP8", KEY, True),
        ("VP8", DELTA, False),
        ("VP8", b"", False),
        ("H264", b"\x00\x00\x00\x01\x67abc\x00\x00\x00\x01\x65xyz", True),
        ("H264", b"\x00\x00\x00\x01\x09\x10\x00\x00\x01\x65xyz", True),
        ("H264", b"\x00\x00\x00\x01\x41xyz", False),
        ("H264", b"\x00\x00\x01", False),
    ],
)
def test_key_frames(codec: str, data: bytes, expected: bool) -> None:
    assert is_key_frame(codec, data) is expected


def test_loopback_is_offered_only_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: list(found))
    offer_loopback_as_last_resort()
    once = aioice.ice.get_host_addresses
    offer_loopback_as_last_resort()
    assert aioice.ice.get_host_addresses is once
    assert once(use_ipv4=True, use_ipv6=True) == ["127.0.0.1"]
    assert once(use_ipv4=False, use_ipv6=True) == []
    found.append("192.0.2.7")
    assert once(use_ipv4=True, use_ipv6=True) == ["192.0.2.7"]
