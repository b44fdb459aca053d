"""A real aiortc publisher and the receiver in one process, over UDP on this machine."""

import asyncio
import time
from pathlib import Path

import aioice.ice
import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from clients.publisher.packets import EncodedClip
from clients.publisher.peer import PublisherPeer
from clients.publisher.prepare import prepare_clip
from realtime.errors import SignallingError
from realtime.ingest.sink import EndReason, TrackState
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.timebase import NS_PER_S, TICK_NS
from realtime.types import AudioFrame, GapReason
from tests.support.loopback import PATIENCE_S, Recorder, call, nothing_left
from tests.support.media import write_clip

MS = 1_000_000


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    source = write_clip(tmp_path / "clip.mkv", seconds=4, size=(160, 120), audio_codec="pcm_s16le")
    return prepare_clip(source, tmp_path / "clip.webm")


async def test_flash_and_beep_stay_together_on_the_call_timeline(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with call(clip) as (sink, peer, receiver):
        report = await peer.wait()
        await sink.until(lambda s: min(s.covered.values()) > 3.3 * NS_PER_S)
        reception = receiver.reception()
    assert report.video_packets == 120
    assert report.audio_packets == pytest.approx(200, abs=1)
    assert sink.ends in ([EndReason.CLOSED], [EndReason.PEER_LEFT])

    assert {frame.samples.dtype for frame in sink.audio} == {np.dtype(np.float32)}
    assert [reason for reason in (gap.reason for gap in sink.gaps) if reason is GapReason.LOSS] == []
    ticks = [tick for tick, _, _ in sink.pictures]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert len(ticks) >= 80
    assert {shape for _, _, shape in sink.pictures} == {(120, 160)}
    assert sink.arrivals == sorted(sink.arrivals)
    assert reception.video is not None
    assert reception.audio is not None
    assert reception.video.frames >= 100
    assert reception.audio.dropped == reception.video.dropped == 0
    assert reception.audio.lost == reception.video.lost == reception.video.damaged == 0

    pairs = []
    for tick in sink.flash_ticks():
        beep_ns = min(sink.beeps_ns(), key=lambda time_ns: abs(time_ns - tick * TICK_NS))
        pairs.append((beep_ns - tick * TICK_NS + TICK_NS // 2) / MS)
    with capsys.disabled():
        print(f"\nbeep minus flash, +-20 ms of grid: {[round(error, 1) for error in pairs]} ms")
    assert len(pairs) >= 3
    assert all(abs(error) <= 20 + 40 for error in pairs)


async def test_a_change_of_size_in_mid_call_goes_through(tmp_path: Path) -> None:
    parts = []
    for size in ((64, 48), (128, 96)):
        source = write_clip(tmp_path / f"{size[0]}.mp4", seconds=1, size=size, fps=25)
        parts.append(prepare_clip(source, tmp_path / f"{size[0]}.webm"))
    joined = join_streams(parts[0], parts[1], tmp_path / "joined.webm")
    async with call(joined) as (sink, peer, _):
        await peer.wait()
        await sink.until(lambda s: bool(s.pictures) and s.pictures[-1][2] == (96, 128))
    assert {shape for _, _, shape in sink.pictures} == {(48, 64), (96, 128)}


def join_streams(first: Path, second: Path, out_path: Path) -> Path:
    """Mux the pictures of two WebM files behind each other into one stream."""
    with av.open(str(first)) as one, av.open(str(second)) as two, av.open(str(out_path), "w") as out:
        stream = out.add_stream_from_template(one.streams.video[0])
        for index, source in enumerate((one, two)):
            for packet in source.demux(video=0):
                if packet.size:
                    packet.pts += index * 1000
                    packet.dts = packet.pts
                    packet.stream = stream
                    out.mux(packet)
    return out_path


async def test_a_track_that_stops_ends_and_the_other_goes_on(clip: Path) -> None:
    async with call(clip, loop=True) as (sink, peer, _):
        await sink.until(lambda s: min(s.covered.values()) > NS_PER_S)
        (video,) = [t for t in peer._peer.getTransceivers() if t.kind == "video"]
        await video.sender.stop()
        await sink.until(lambda s: ("video", TrackState.ENDED) in s.states)
        audio_ns = sink.covered["audio"]
        await sink.until(lambda s: s.covered["audio"] > audio_ns + NS_PER_S // 2)
        await sink.until(lambda s: s.covered["video"] > audio_ns)
    assert GapReason.ENDED in {gap.reason for gap in sink.gaps if gap.track == "video"}
    assert ("audio", TrackState.GAP) not in sink.states


async def test_a_track_that_falls_silent_becomes_muted_and_comes_back(clip: Path) -> None:
    async with call(clip, loop=True) as (sink, peer, _):
        await sink.until(lambda s: min(s.covered.values()) > NS_PER_S // 2)
        (video,) = [t for t in peer._peer.getTransceivers() if t.kind == "video"]
        video.sender._enabled = False
        await sink.until(lambda s: ("video", TrackState.GAP) in s.states)
        await sink.until(lambda s: any(gap.reason is GapReason.MUTED for gap in s.gaps))
        video.sender._enabled = True
        count = len(sink.pictures)
        await sink.until(lambda s: len(s.pictures) > count + 5)
    assert [state for kind, state in sink.states if kind == "video"][:3] == [
        TrackState.LIVE,
        TrackState.GAP,
        TrackState.LIVE,
    ]


async def test_closing_in_the_middle_leaves_nothing_behind(clip: Path) -> None:
    async with call(clip) as (sink, peer, receiver):
        await sink.until(lambda s: s.covered["audio"] > NS_PER_S // 4)
        await receiver.close()
        await receiver.close()
        with pytest.raises(SignallingError) as caught:
            await peer.wait()
        assert caught.value.status == 503
    assert sink.ends == [EndReason.CLOSED]


async def test_a_publisher_that_leaves_is_noticed(clip: Path) -> None:
    async with call(clip) as (sink, peer, _):
        await sink.until(lambda s: s.covered["video"] > NS_PER_S // 4)
        await peer.close()
        await sink.until(lambda s: bool(s.ends))
    assert sink.ends == [EndReason.PEER_LEFT]


async def test_closing_before_the_connection_stands_leaves_nothing_behind(clip: Path) -> None:
    encoded = await EncodedClip.open(clip)
    peer = PublisherPeer(encoded)
    sink = Recorder()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    await receiver.accept(await peer.offer())
    await receiver.close()
    await peer.close()
    await encoded.aclose()
    assert sink.ends == [EndReason.CLOSED]
    await nothing_left()


async def test_a_peer_that_never_connects_times_out_by_the_injected_clock(clip: Path) -> None:
    encoded = await EncodedClip.open(clip)
    peer = PublisherPeer(encoded)
    sink = Recorder()
    now_ns = 0
    receiver = WebRtcReceiver(sink, clock_ns=lambda: now_ns)
    await receiver.accept(await peer.offer())
    await asyncio.sleep(0)
    now_ns = 60 * NS_PER_S
    await sink.until(lambda s: bool(s.ends))
    assert sink.ends == [EndReason.CONNECT_TIMEOUT]
    await receiver.close()
    await peer.close()
    await encoded.aclose()
    await nothing_left()


async def test_a_machine_with_only_a_loopback_connects(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice.ifaddr, "get_adapters", list)
    async with call(clip) as (sink, peer, receiver):
        assert "127.0.0.1" in candidate_addresses(peer)
        await sink.until(lambda s: min(s.covered.values()) > NS_PER_S // 4)
        video = receiver.reception().video
        assert video is not None
        assert video.frames > 0


def candidate_addresses(peer: PublisherPeer) -> set[str]:
    sdp = peer._peer.localDescription.sdp
    return {line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate")}


async def test_extra_tracks_and_data_channels_are_turned_down_politely(clip: Path) -> None:
    sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender.addTransceiver("audio", direction="recvonly")
    for kind in ("audio", "video", "video"):
        sender.addTransceiver(kind, direction="sendonly")
    channel = sender.createDataChannel("chat")
    closed = asyncio.Event()
    channel.on("close", closed.set)
    await sender.setLocalDescription(await sender.createOffer())
    sink = Recorder()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    answer = await receiver.accept(sender.localDescription.sdp)
    sections = answer.split("m=")[1:]
    directions = [
        next((d for d in ("recvonly", "sendrecv", "sendonly", "inactive") if f"a={d}" in section), None)
        for section in sections
    ]
    assert directions[:4] == ["inactive", "recvonly", "recvonly", "inactive"]
    assert "opus" in sections[1]
    assert "PCMU" not in sections[1]
    await sender.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    async with asyncio.timeout(PATIENCE_S):
        await closed.wait()
    with pytest.raises(SignallingError) as caught:
        await receiver.accept(sender.localDescription.sdp)
    assert caught.value.status == 405
    await receiver.close()
    await sender.close()
    await nothing_left()


async def test_a_sink_that_fails_ends_the_session_and_nothing_else(clip: Path) -> None:
    class Broken(Recorder):
        def on_audio(self, frame: AudioFrame) -> None:
            raise RuntimeError

    encoded = await EncodedClip.open(clip)
    peer = PublisherPeer(encoded)
    sink = Broken()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    await peer.accept_answer(await receiver.accept(await peer.offer()))
    await sink.until(lambda s: bool(s.ends))
    assert sink.ends == [EndReason.INTERNAL_ERROR]
    await receiver.close()
    await peer.close()
    await encoded.aclose()
    await nothing_left()


async def test_a_refused_offer_leaves_nothing_behind() -> None:
    sink = Recorder()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    with pytest.raises(SignallingError):
        await receiver.accept("v=0")
    sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender.addTransceiver("audio", direction="sendonly")
    await sender.setLocalDescription(await sender.createOffer())
    broken = sender.localDescription.sdp.replace("a=rtcp-mux\r\n", "")
    await sender.close()
    with pytest.raises(SignallingError) as caught:
        await receiver.accept(broken)
    assert caught.value.status == 406
    await receiver.close()
    assert sink.ends == []
    await nothing_left()
