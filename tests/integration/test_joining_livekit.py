"""The real LiveKit SDK against a double of the signalling server; no LiveKit server is involved."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import pytest

pytest.importorskip("livekit.rtc", reason="needs the LiveKit SDK: pip install 'seamwatch[livekit]'")
pytest.importorskip("livekit.protocol", reason="needs the package livekit-protocol")

from livekit.protocol import models

from clients.joining.adapter import JoinError, OpenSource, Sighting
from clients.joining.livekit import LiveKitAdapter
from clients.joining.target import join_target
from clients.publisher.packets import EncodedClip
from clients.publisher.prepare import prepare_clip
from clients.publisher.tracks import Pace, PacketTrack
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.ingest.source import MediaSource
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS, sample_at, sample_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TrackKind
from tests.support.livekit_double import CAMERA, MICROPHONE, SCREEN_SHARE, LiveKitDouble
from tests.support.livekit_session import Media
from tests.support.media import write_clip

MS = 1_000_000
PATIENCE_S = 60.0
#: What the lag tracker can learn as a participant's baseline.
LAG_BAND_MS = 280


class Recorder:
    """A sink that insists on media and gaps without hole or overlap."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.audio: list[AudioFrame] = []
        self.pictures: list[tuple[int, bool, tuple[int, ...]]] = []
        self.gaps: list[MediaGap] = []
        self.states: list[tuple[TrackKind, TrackState]] = []
        self.ends: list[EndReason] = []
        self.covered: dict[TrackKind, int] = {"audio": 0, "video": 0}

    def _cover(self, kind: TrackKind, start_ns: int, end_ns: int) -> None:
        assert start_ns == self.covered[kind]
        assert end_ns > start_ns
        self.covered[kind] = end_ns
        self._changed()

    def on_audio(self, frame: AudioFrame) -> None:
        end_ns = sample_time_ns(sample_at(frame.start_ns) + len(frame.samples))
        self._cover("audio", frame.start_ns, end_ns)
        self.audio.append(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        self._cover("video", picture.tick * TICK_NS, (picture.tick + 1) * TICK_NS)
        image = picture.convert()
        self.pictures.append((picture.tick, bool(image.mean() > 150), image.shape))

    def on_gap(self, gap: MediaGap) -> None:
        self._cover(gap.track, gap.span.start_ns, gap.span.end_ns)
        self.gaps.append(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        self.states.append((kind, state))
        self._changed()

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)
        self._changed()

    def gap_s(self, kind: TrackKind, reason: GapReason) -> float:
        return sum(g.span.duration_ns for g in self.gaps if (g.track, g.reason) == (kind, reason)) / NS_PER_S

    def flashes_ns(self) -> list[int]:
        bright = {tick: is_bright for tick, is_bright, _ in self.pictures}
        return [tick * TICK_NS for tick in bright if bright[tick] and bright.get(tick - 1) is False]

    def beeps_ns(self) -> list[int]:
        onsets: list[int] = []
        for frame in self.audio:
            for sample in np.flatnonzero(np.abs(frame.samples) > 0.25):
                time_ns = frame.start_ns + int(sample) * NS_PER_S // SAMPLE_RATE_HZ
                if not onsets or time_ns - onsets[-1] > NS_PER_S // 2:
                    onsets.append(time_ns)
        return onsets


class RecordingRoom:
    """The monitor's side of the call."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.sources: dict[str, MediaSource] = {}
        self.sinks: dict[str, Recorder] = {}
        self.events: list[tuple[str, str]] = []

    @property
    def clock_ns(self) -> Callable[[], int]:
        return time.monotonic_ns

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        sink = self.sinks[name] = Recorder(self.changed.set)
        self.sources[feed] = await open_source(sink)
        self.events.append(("appeared", name))
        self.changed.set()

    async def left(self, feed: str) -> None:
        self.events.append(("left", feed))
        await self.sources.pop(feed).close()
        self.changed.set()

    def sighting(self, feed: str) -> Sighting | None:
        return None

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Clip:
    """Opens a looped clip's tracks, in step with each other, as often as somebody subscribes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: list[EncodedClip] = []
        self._pace = Pace()
        self._clip: EncodedClip | None = None
        self.silenced: set[str] = set()

    async def prepare(self) -> None:
        self._clip = await EncodedClip.open(self._path, loop=True)
        self._opened.append(self._clip)

    def media(self, source: models.TrackSource) -> Media:
        kind: TrackKind = "audio" if source == MICROPHONE else "video"
        return Media(source, lambda: self._track(kind))

    def _track(self, kind: TrackKind) -> PacketTrack:
        assert self._clip is not None
        return GatedTrack(self._clip, kind, self._pace, self.silenced)

    async def aclose(self) -> None:
        for clip in self._opened:
            await clip.aclose()


class GatedTrack(PacketTrack):
    """A track whose packets can be lost on the way."""

    def __init__(self, clip: EncodedClip, kind: TrackKind, pace: Pace, silenced: set[str]) -> None:
        super().__init__(clip, kind, pace)
        self._silenced = silenced

    async def recv(self) -> av.Packet[Any]:
        packet = await super().recv()
        while self.kind in self._silenced:
            packet = await super().recv()
        return packet


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    source = write_clip(folder / "clip.mkv", seconds=4, size=(160, 120), audio_codec="pcm_s16le")
    return prepare_clip(source, folder / "clip.webm")


@pytest.fixture
async def clip(clip_path: Path) -> AsyncIterator[Clip]:
    clip = Clip(clip_path)
    await clip.prepare()
    yield clip
    await clip.aclose()


@pytest.fixture
async def server() -> AsyncIterator[LiveKitDouble]:
    async with LiveKitDouble() as double:
        yield double


def adapter_for(server: LiveKitDouble) -> LiveKitAdapter:
    return LiveKitAdapter(join_target(f"livekit+ws://127.0.0.1:{server.port}", token="token"))


@asynccontextmanager
async def attended(
    server: LiveKitDouble, room: RecordingRoom
) -> AsyncIterator[tuple[LiveKitAdapter, asyncio.Task[None]]]:
    """Attend until joined; leaving cancels and waits until the room was left."""
    adapter = adapter_for(server)
    joined = asyncio.Event()
    attending = asyncio.create_task(adapter.attend(room, joined.set))
    waiting = asyncio.create_task(joined.wait())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({attending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if attending.done():
            await attending
        yield adapter, attending
    finally:
        waiting.cancel()
        attending.cancel()
        await asyncio.gather(attending, waiting, return_exceptions=True)
        for source in room.sources.values():
            await source.close()


def live(sink: Recorder) -> set[TrackKind]:
    return {kind for kind, state in dict(sink.states).items() if state is TrackState.LIVE}


async def test_a_participant_is_heard_and_seen_in_step(
    server: LiveKitDouble, clip: Clip, capsys: pytest.CaptureFixture[str]
) -> None:
    room = RecordingRoom()
    await server.enter("alice", clip.media(MICROPHONE), clip.media(CAMERA), name="Alice")
    await server.enter("presenter", clip.media(SCREEN_SHARE))
    async with attended(server, room) as (adapter, _):
        await room.until(lambda: "Alice" in room.sinks and live(room.sinks["Alice"]) == {"audio", "video"})
        sink = room.sinks["Alice"]
        assert await adapter.post("Seamwatch monitor is here.")
        await room.until(lambda: len(sink.flashes_ns()) >= 8 and len(sink.beeps_ns()) >= 8)
        (source,) = room.sources.values()
        reception = source.reception()
        async with asyncio.timeout(PATIENCE_S):
            while not server.texts:
                await asyncio.sleep(0.01)
    assert server.texts == [("lk.chat", "Seamwatch monitor is here.")]
    async with asyncio.timeout(PATIENCE_S):
        while not server.visit.left:
            await asyncio.sleep(0.01)
    assert room.events == [("appeared", "Alice")]
    assert sink.ends == [EndReason.CLOSED]
    assert {shape for _, _, shape in sink.pictures} == {(120, 160, 3)}
    assert reception.sync == "reports"
    assert reception.audio is not None
    assert reception.video is not None
    assert min(reception.audio.packets, reception.video.packets) > 100

    beeps = sink.beeps_ns()
    errors = [(min(beeps, key=lambda b: abs(b - flash)) - flash) / MS for flash in sink.flashes_ns()[3:]]
    with capsys.disabled():
        print(f"\nLiveKit SDK, beep minus flash, +-20 ms of grid: {[round(error) for error in errors]} ms")
    assert abs(median(errors)) <= LAG_BAND_MS


async def test_people_and_tracks_come_and_go(server: LiveKitDouble, clip: Clip) -> None:
    room = RecordingRoom()
    async with attended(server, room):
        (microphone,) = await server.enter("bob", clip.media(MICROPHONE))
        await room.until(lambda: "bob" in room.sinks and live(room.sinks["bob"]) == {"audio"})
        sink = room.sinks["bob"]
        camera = await server.publish("bob", clip.media(CAMERA))
        await room.until(lambda: live(sink) == {"audio", "video"})

        await server.mute("bob", microphone, True)
        await room.until(lambda: sink.gap_s("audio", GapReason.MUTED) > 1)
        await server.mute("bob", microphone, False)
        await room.until(lambda: "audio" in live(sink))

        await server.unpublish("bob", camera)
        await room.until(lambda: sink.gap_s("video", GapReason.MUTED) > 1)
        await server.leave("bob")
        await room.until(lambda: bool(sink.ends))
    assert [event for event, _ in room.events] == ["appeared", "left"]
    assert sink.ends == [EndReason.CLOSED]


async def test_sound_that_does_not_arrive_is_a_loss_and_not_silence(
    server: LiveKitDouble, clip: Clip
) -> None:
    room = RecordingRoom()
    await server.enter("alice", clip.media(MICROPHONE), name="Alice")
    async with attended(server, room):
        await room.until(lambda: "Alice" in room.sinks and live(room.sinks["Alice"]) == {"audio"})
        sink = room.sinks["Alice"]
        await room.until(lambda: sink.covered["audio"] > 2 * NS_PER_S)
        before_s = sink.gap_s("audio", GapReason.LOSS)
        clip.silenced.add("audio")
        await room.until(lambda: sink.gap_s("audio", GapReason.LOSS) - before_s > 2)
        heard = sum(len(frame.samples) for frame in sink.audio)
        clip.silenced.clear()
        await room.until(lambda: sum(len(f.samples) for f in sink.audio) > heard + SAMPLE_RATE_HZ)


async def test_it_finds_everybody_again_after_the_connection_broke(server: LiveKitDouble, clip: Clip) -> None:
    room = RecordingRoom()
    await server.enter("alice", clip.media(CAMERA), name="Alice")
    async with attended(server, room):
        await room.until(lambda: "Alice" in room.sinks and live(room.sinks["Alice"]) == {"video"})
        first = room.sinks["Alice"]
        await server.cut()
        await room.until(lambda: room.sinks["Alice"] is not first)
        await room.until(lambda: live(room.sinks["Alice"]) == {"video"})
    assert first.ends == [EndReason.CLOSED]
    assert [event for event, _ in room.events] == ["appeared", "left", "appeared"]


async def test_a_closed_room_is_the_end(server: LiveKitDouble) -> None:
    async with attended(server, RecordingRoom()) as (_, attending):
        await server.dismiss(models.DisconnectReason.ROOM_DELETED)
        await attending


async def test_a_monitor_that_was_removed_does_not_come_back(server: LiveKitDouble) -> None:
    async with attended(server, RecordingRoom()) as (_, attending):
        await server.dismiss(models.DisconnectReason.PARTICIPANT_REMOVED)
        with pytest.raises(JoinError, match="removed"):
            await attending


async def test_a_hidden_monitor_leaves_at_once(server: LiveKitDouble) -> None:
    server.permission.hidden = True
    with pytest.raises(JoinError, match="hides"):
        await adapter_for(server).attend(RecordingRoom(), lambda: None)
    async with asyncio.timeout(PATIENCE_S):
        while not server.visit.left:
            await asyncio.sleep(0.01)


async def test_a_bad_token_is_told(server: LiveKitDouble) -> None:
    server.refusal = HTTPStatus.UNAUTHORIZED
    with pytest.raises(JoinError, match="token"):
        await adapter_for(server).attend(RecordingRoom(), lambda: None)
