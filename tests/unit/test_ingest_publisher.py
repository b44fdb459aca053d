import asyncio
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from aiortc.mediastreams import MediaStreamError

from clients.publisher.encode import ClipPacket, EncodeSettings, clip_packets
from clients.publisher.packets import READ_AHEAD_NS, EncodedClip
from clients.publisher.prepare import prepare_clip
from clients.publisher.tracks import Pace, PacketTrack
from clients.publisher.whip import WhipPublisher
from realtime.errors import MediaError, SignallingError
from realtime.ingest.file import open_media
from realtime.types import TrackKind
from tests.support.media import write_clip

MS = 1_000_000
S = 1_000_000_000
URL = "http://monitor.test/whip/call/ann"


def packets_of(path: Path, kind: TrackKind, **settings: Any) -> list[ClipPacket]:
    return list(clip_packets(open_media(path), kind, EncodeSettings(**settings)))


def is_key(packet: ClipPacket) -> bool:
    return packet.data[0] & 1 == 0


def size_of(packet: ClipPacket) -> tuple[int, int]:
    """Width and height in a VP8 key frame's header (RFC 6386, 9.1)."""
    return (
        int.from_bytes(packet.data[6:8], "little") & 0x3FFF,
        int.from_bytes(packet.data[8:10], "little") & 0x3FFF,
    )


async def drain(clip: EncodedClip, kind: TrackKind, limit: int = 10_000) -> list[ClipPacket]:
    packets: list[ClipPacket] = []
    while len(packets) < limit and (packet := await clip.next(kind)) is not None:
        packets.append(packet)
    return packets


@pytest.mark.parametrize(("fps", "expected_fps"), [(25, 25), (30, 30), (60, 30), (50, 30)])
def test_pictures_are_thinned_to_thirty_a_second_with_a_key_frame_a_second(
    tmp_path: Path, fps: int, expected_fps: int
) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=3, fps=fps, audio_codec=None)
    packets = packets_of(path, "video")
    assert 3 * expected_fps * 0.8 <= len(packets) <= 3 * expected_fps + 1
    times = [packet.time_ns for packet in packets]
    assert times == sorted(set(times))
    keys = [packet.time_ns for packet in packets if is_key(packet)]
    assert keys[0] == 0
    assert max(b - a for a, b in pairwise(keys)) <= 1300 * MS


@pytest.mark.parametrize(
    ("settings", "rotation", "expected"),
    [
        ({}, 0, (96, 64)),
        ({"width": 48}, 0, (48, 32)),
        ({"height": 32}, 0, (48, 32)),
        ({"width": 65, "height": 33}, 0, (64, 32)),
        ({}, 90, (64, 96)),
    ],
)
def test_pictures_are_upright_and_of_the_wanted_size(
    tmp_path: Path, settings: dict[str, int], rotation: int, expected: tuple[int, int]
) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=0.2, size=(96, 64), rotation=rotation, audio_codec=None)
    assert size_of(packets_of(path, "video", **settings)[0]) == expected


def test_audio_becomes_blocks_of_twenty_milliseconds_and_holes_stay_holes(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.mkv",
        audio_codec="pcm_s16le",
        rate=44_100,
        channels=2,
        video_codec=None,
        keep_audio=lambda time_s: not 0.499 <= time_s < 0.999,
    )
    times = [packet.time_ns for packet in packets_of(path, "audio")]
    steps = [b - a for a, b in pairwise(times)]
    assert times[0] == 0
    assert [step for step in steps if abs(step - 20 * MS) > 1000] == [pytest.approx(520 * MS, abs=2 * MS)]
    assert times[-1] == pytest.approx(1980 * MS, abs=2 * MS)


def test_a_prepared_clip_is_passed_on_as_it_is_with_the_same_times(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", size=(96, 64))
    prepared = prepare_clip(path, tmp_path / "a.webm", width=48)
    info = open_media(prepared)
    assert (info.video_codec, info.audio_codec, info.width) == ("vp8", "opus", 48)
    with av.open(str(prepared)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    video = packets_of(prepared, "video")
    assert [packet.data for packet in video] == stored
    for kind in ("audio", "video"):
        direct = packets_of(path, kind, width=48)
        again = packets_of(prepared, kind)
        assert len(again) == pytest.approx(len(direct), abs=1)
        for one, other in zip(direct, again, strict=False):
            assert abs(one.time_ns - other.time_ns) <= 1.5 * MS
    assert list(tmp_path.glob("*.part")) == []


async def test_a_loop_goes_on_with_both_tracks_in_step(tmp_path: Path) -> None:
    prepared = prepare_clip(write_clip(tmp_path / "a.mp4", seconds=1), tmp_path / "a.webm")
    clip = await EncodedClip.open(prepared, loop=True)
    firsts: dict[TrackKind, list[int]] = {}
    for kind in ("audio", "video"):
        packets = await drain(clip, kind, limit=160)
        times = [packet.time_ns for packet in packets]
        assert times == sorted(set(times))
        assert times[-1] > 3 * S
        assert max(b - a for a, b in pairwise(times)) <= 70 * MS
        beginning = packets[0].data
        firsts[kind] = [packet.time_ns for packet in packets if packet.data == beginning]
    assert firsts["video"][1] == pytest.approx(firsts["audio"][1], abs=8 * MS)
    await clip.aclose()


async def test_reading_ahead_is_bounded_and_closing_ends_the_threads(tmp_path: Path) -> None:
    path = prepare_clip(write_clip(tmp_path / "a.mp4", seconds=20, fps=10), tmp_path / "a.webm")
    clip = await EncodedClip.open(path)
    for _ in range(300):
        await clip.next("audio")
        await asyncio.sleep(0)
    waiting = clip._feeds["audio"]._ready
    assert waiting[-1].time_ns - waiting[0].time_ns <= READ_AHEAD_NS + 40 * MS
    assert clip._feeds["video"]._ready[-1].time_ns <= READ_AHEAD_NS
    await clip.aclose()
    await clip.aclose()
    assert not [t for t in threading.enumerate() if t.name.startswith("clip")]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("missing", ["audio", "video"])
async def test_a_file_without_a_track_has_no_such_track(tmp_path: Path, missing: TrackKind) -> None:
    codecs: dict[str, Any] = {f"{missing}_codec": None}
    clip = await EncodedClip.open(write_clip(tmp_path / "a.mkv", seconds=0.5, **codecs))
    assert missing not in clip.kinds
    assert len(clip.kinds) == 1
    await clip.aclose()


async def test_a_file_that_is_no_media_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("no")
    with pytest.raises(MediaError):
        await EncodedClip.open(path)


async def test_tracks_hand_out_packets_when_they_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await EncodedClip.open(write_clip(tmp_path / "a.mp4", seconds=1))
    packets = {kind: await drain(clip, kind) for kind in clip.kinds}
    await clip.aclose()
    waits: list[float] = []

    class Stored:
        async def next(self, kind: TrackKind) -> ClipPacket | None:
            return packets[kind].pop(0) if packets[kind] else None

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("clients.publisher.tracks.asyncio.sleep", sleep)
    stored: Any = Stored()
    pace = Pace()
    for kind, ticks in (("audio", 960), ("video", 3000)):
        track = PacketTrack(stored, kind, pace)
        first, second = await track.recv(), await track.recv()
        assert first.pts == 0
        assert second.pts == pytest.approx(ticks, abs=1)
        assert waits[-1] == pytest.approx(ticks / (48_000 if kind == "audio" else 90_000), abs=0.3)
        packets[kind].clear()
        with pytest.raises(MediaStreamError):
            await track.recv()
        assert track.finished
        assert track.packets == 2


@pytest.mark.parametrize("status", [401, 403, 404, 406, 413, 500, 503])
async def test_a_refusal_says_what_to_do(tmp_path: Path, status: int) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status)

    path = write_clip(tmp_path / "a.mp4", seconds=0.2)
    publisher = WhipPublisher(URL, token="secret", transport=httpx.MockTransport(answer))
    with pytest.raises(SignallingError) as caught:
        async with publisher:
            await publisher.start(path)
    assert caught.value.status == status
    assert caught.value.fix
    assert [request.method for request in seen] == ["POST"]
    assert seen[0].headers["Authorization"] == "Bearer secret"
    assert seen[0].headers["Content-Type"] == "application/sdp"
    assert b"m=audio" in seen[0].content
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_answer_that_is_no_answer_is_refused_and_the_session_deleted(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path))
        return httpx.Response(201, text="hello", headers={"Location": "../resource/7"})

    publisher = WhipPublisher(URL, transport=httpx.MockTransport(answer))
    with pytest.raises(SignallingError):
        async with publisher:
            await publisher.start(write_clip(tmp_path / "a.mp4", seconds=0.2))
    assert seen == [("POST", "/whip/call/ann"), ("DELETE", "/whip/resource/7")]


async def test_nobody_there_is_told_as_such(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with WhipPublisher(URL, transport=httpx.MockTransport(refuse)) as publisher:
        with pytest.raises(SignallingError) as caught:
            await publisher.start(write_clip(tmp_path / "a.mp4", seconds=0.2))
    assert caught.value.status == 503
    assert URL in caught.value.message
