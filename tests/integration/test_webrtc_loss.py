"""What a bad network and a bad peer do to a real connection: dropped, malformed and missing packets."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pylibsrtp
import pytest
from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import vpx
from aiortc.rtcdtlstransport import generate_certificate
from aiortc.rtp import is_rtcp
from cryptography.hazmat.primitives.asymmetric import rsa

from clients.publisher.packets import EncodedClip
from clients.publisher.peer import PublisherPeer
from clients.publisher.prepare import prepare_clip
from clients.publisher.tracks import Pace, PacketTrack
from engines.frontend.decoded import upright_rgb
from realtime.ingest.sink import EndReason, TrackState
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.timebase import NS_PER_S
from realtime.types import GapReason, TrackKind
from tests.support.loopback import Recorder, call, nothing_left
from tests.support.media import write_clip

SECONDS = 5
VP8_PAYLOAD_TYPE = 97


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    source = write_clip(folder / "clip.mkv", seconds=SECONDS, size=(160, 120), audio_codec="pcm_s16le")
    return prepare_clip(source, folder / "clip.webm")


@pytest.fixture(scope="module")
def intact(clip: Path) -> set[bytes]:
    """Every picture of the clip as it looks when nothing is lost."""
    with av.open(str(clip)) as container:
        context = av.VideoCodecContext.create("libvpx", "r")
        pictures = [
            upright_rgb(frame).tobytes()
            for packet in container.demux(video=0)
            if packet.size
            for frame in context.decode(av.Packet(bytes(packet)))
        ]
    assert len(pictures) == SECONDS * 30
    return set(pictures)


@pytest.fixture
def small_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several packets a picture, as for larger pictures."""
    monkeypatch.setattr(vpx, "PACKET_MAX", 40)


def transport_of(peer: RTCPeerConnection) -> Any:
    return peer.getTransceivers()[0].sender.transport


def filter_sent(transport: Any, passes: Callable[[bytes], bool]) -> None:
    """Let a transport send only some of its RTP and RTCP packets."""
    send = transport._send_rtp

    async def send_some(data: bytes) -> None:
        if passes(data):
            await send(data)

    transport._send_rtp = send_some


def longest_gap_ns(sink: Recorder, kind: TrackKind) -> int:
    longest_ns = start_ns = end_ns = 0
    for gap in sorted((gap for gap in sink.gaps if gap.track == kind), key=lambda gap: gap.span.start_ns):
        if gap.reason is GapReason.LOSS:
            start_ns = start_ns if gap.span.start_ns == end_ns else gap.span.start_ns
            end_ns = gap.span.end_ns
            longest_ns = max(longest_ns, end_ns - start_ns)
    return longest_ns


@pytest.mark.usefixtures("small_packets")
@pytest.mark.parametrize("lost", [0.02, 0.05, 0.10])
async def test_loss_leaves_short_gaps_and_only_intact_pictures(
    clip: Path, intact: set[bytes], lost: float, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(5)
    async with call(clip) as (sink, peer, receiver):
        sink.keep_images = True
        filter_sent(transport_of(peer._peer), lambda data: is_rtcp(data) or dice.random() >= lost)
        await peer.wait()
        await sink.until(lambda s: min(s.covered.values()) > (SECONDS - 1) * NS_PER_S)
        reception = receiver.reception()
    audio, video = reception.audio, reception.video
    assert audio is not None
    assert video is not None
    with capsys.disabled():
        print(
            f"\n{lost:.0%} loss: audio missing {audio.missing_ms / SECONDS / 10:.1f} %, "
            f"longest video gap {longest_gap_ns(sink, 'video') / 1e6:.0f} ms, {video.nacks} NACKs, "
            f"{video.recovered} recovered, {video.lost} lost, {video.freezes} freezes"
        )
    assert {image.tobytes() for image in sink.images} <= intact
    assert len(sink.images) > 2 * SECONDS * 25 * 0.3
    assert video.recovered > 0
    assert audio.lost > 0
    assert audio.missing_ms / 1000 / SECONDS <= lost + 0.06
    assert longest_gap_ns(sink, "video") <= NS_PER_S
    assert {gap.reason for gap in sink.gaps} <= {GapReason.LOSS, GapReason.NO_TRACK, GapReason.ENDED}


@pytest.mark.usefixtures("small_packets")
async def test_without_retransmission_a_loss_becomes_a_gap_until_the_next_key_frame(
    clip: Path, intact: set[bytes]
) -> None:
    dice = random.Random(6)
    async with call(clip) as (sink, peer, receiver):
        sink.keep_images = True
        assert receiver._peer is not None
        filter_sent(transport_of(receiver._peer), lambda data: False)
        filter_sent(transport_of(peer._peer), lambda data: is_rtcp(data) or dice.random() >= 0.01)
        await peer.wait()
        await sink.until(lambda s: min(s.covered.values()) > (SECONDS - 1) * NS_PER_S)
        video = receiver.reception().video
    assert video is not None
    assert video.lost > 0
    assert video.damaged > 0
    assert video.freezes > 0
    assert video.key_frame_requests > 0
    assert video.missing_ms > 0
    assert {image.tobytes() for image in sink.images} <= intact
    assert longest_gap_ns(sink, "video") > 0


def garbage(dice: random.Random, genuine: bytes) -> bytes:
    """A packet that no sender makes: RTCP, or RTP of another source in a format that was agreed on."""
    data = bytearray(dice.randbytes(dice.choice([12, 16, 20, 40, 200, 1000])))
    data[0] = 0x80 | dice.choice([0, 0, 0x10, 0x20, 0x0F])
    if dice.random() < 0.3:
        data[1] = dice.randrange(192, 209)
        data[2:4] = (len(data) // 4 - dice.choice([0, 1, 1, 1])).to_bytes(2, "big")
        return bytes(data)
    data[1] = dice.choice([genuine[1], *range(96, 103)])
    if data[0] & 0x10 and len(data) > 20:
        data[12:16] = b"\xbe\xde\x00\x01"
    return bytes(data)


def spoilt(dice: random.Random, genuine: bytes) -> bytes:
    """A packet in its place in the sequence, with something else wrong."""
    data = bytearray(genuine)
    place = dice.choice([slice(1, 2), slice(4, 8), slice(12, 14), slice(12, len(data))])
    data[place] = dice.randbytes(len(data[place]))
    data[1] &= 0xBF
    return bytes(data)


async def test_garbage_harms_neither_the_connection_nor_anybody_else(clip: Path) -> None:
    dice = random.Random(7)
    async with (
        call(clip, loop=True) as (bystander, _, _),
        call(clip, loop=True, alone=False) as (sink, peer, receiver),
    ):
        await sink.until(lambda s: min(s.covered.values()) > NS_PER_S // 2)
        transport = transport_of(peer._peer)
        send, sent = transport._send_rtp, 0

        async def send_with_garbage(data: bytes) -> None:
            nonlocal sent
            if is_rtcp(data):
                await send(data)
                return
            wrong = [garbage(dice, data) for _ in range(10)]
            for packet in [spoilt(dice, data) if dice.random() < 0.5 else data, *wrong]:
                with contextlib.suppress(pylibsrtp.Error):
                    await send(packet)
                    sent += 1

        transport._send_rtp = send_with_garbage
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outsider:
            for line in receiver._peer.localDescription.sdp.splitlines() if receiver._peer else []:
                if line.startswith("a=candidate") and "." in line.split()[4]:
                    for data in (b"", b"\x00", b"\x80", b"\x16\xfe", b"\x90" * 30):
                        outsider.sendto(data, (line.split()[4], int(line.split()[5])))
        before_ns = bystander.covered["video"]
        await bystander.until(lambda s: min(s.covered.values()) > before_ns + 2 * NS_PER_S)
        transport._send_rtp = send
        assert sent > 1000
        count = len(sink.pictures)
        await sink.until(lambda s: len(s.pictures) > count + 25)
        assert sink.ends == []
        heard_ns = sink.audio[-1].start_ns
        await sink.until(lambda s: s.audio[-1].start_ns > heard_ns + NS_PER_S // 2)
    assert [gap for gap in bystander.gaps if gap.reason is GapReason.LOSS] == []
    assert sink.ends == [EndReason.CLOSED]


@pytest.mark.usefixtures("small_packets")
async def test_a_participant_that_stops_in_mid_frame_becomes_a_gap_and_nothing_waits_for_it(
    clip: Path,
) -> None:
    stopped = False

    def passes(data: bytes) -> bool:
        nonlocal stopped
        if stopped:
            return False
        stopped = armed and data[1] == VP8_PAYLOAD_TYPE
        return True

    armed = False
    async with call(clip, loop=True) as (sink, peer, receiver):
        filter_sent(transport_of(peer._peer), passes)
        await sink.until(lambda s: min(s.covered.values()) > NS_PER_S)
        armed = True
        await sink.until(lambda s: ("video", TrackState.GAP) in s.states)
        await sink.until(lambda s: sum(gap.span.duration_ns for gap in s.gaps) > NS_PER_S)
        assert stopped
        assert {gap.reason for gap in sink.gaps if gap.track == "video"} <= {
            GapReason.LOSS,
            GapReason.NO_TRACK,
        }
        assert [incoming.tap.due_ns for incoming in receiver._incoming.values()] == [None, None]
    assert sink.ends == [EndReason.CLOSED]


class RsaCertificate(RTCCertificate):
    """What GStreamer has."""

    def _create_ssl_context(self, srtp_profiles: Any) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
        return context


async def test_a_peer_with_an_rsa_certificate_connects(clip: Path) -> None:
    encoded = await EncodedClip.open(clip)
    sink = Recorder()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    key: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    peer = PublisherPeer(encoded)
    certificates: list[RTCCertificate] = vars(peer._peer)["_RTCPeerConnection__certificates"]
    certificates[:] = [RsaCertificate(key=key, cert=generate_certificate(key))]
    for transceiver in peer._peer.getTransceivers():
        vars(transceiver.sender.transport)["_RTCDtlsTransport__local_certificate"] = certificates[0]
    await peer.accept_answer(await receiver.accept(await peer.offer()))
    await sink.until(lambda s: min(s.covered.values()) > NS_PER_S // 4)
    await receiver.close()
    await peer.close()
    await encoded.aclose()
    await nothing_left()


@pytest.mark.parametrize("kinds", [("audio", "video"), ("video",), ("audio",)])
async def test_a_stream_that_a_server_plays_out_is_received(clip: Path, kinds: tuple[TrackKind, ...]) -> None:
    encoded = await EncodedClip.open(clip)
    sink = Recorder()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    server = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await server.setRemoteDescription(RTCSessionDescription(sdp=await receiver.request(), type="offer"))
    pace = Pace()
    for transceiver in server.getTransceivers():
        kind: TrackKind = "audio" if transceiver.kind == "audio" else "video"
        transceiver.direction = "sendonly" if kind in kinds else "inactive"
        if kind in kinds:
            transceiver.sender.replaceTrack(PacketTrack(encoded, kind, pace))
    await server.setLocalDescription(await server.createAnswer())
    await receiver.answered(server.localDescription.sdp)
    await sink.until(lambda s: all(s.covered[kind] > NS_PER_S for kind in kinds))
    reception = receiver.reception()
    assert (reception.audio is not None, reception.video is not None) == ("audio" in kinds, "video" in kinds)
    assert (reception.sync == "single") == (len(kinds) == 1)
    assert {gap.reason for gap in sink.gaps if gap.track not in kinds} <= {GapReason.NO_TRACK}
    await server.close()
    await sink.until(lambda s: bool(s.ends))
    assert sink.ends == [EndReason.PEER_LEFT]
    await receiver.close()
    await encoded.aclose()
    await nothing_left()
