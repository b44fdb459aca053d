"""The real LiveKit SDK against a double of the signalling server; no LiveKit server is involved."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from statistics import median

import av
import pytest

pytest.importorskip("livekit.rtc", reason="needs the LiveKit SDK: pip install 'seamwatch[livekit]'")
pytest.importorskip("livekit.protocol", reason="needs the package livekit-protocol")

from livekit.protocol import models

from clients.joining.adapter import JoinError, Sighting
from clients.joining.livekit import LiveKitAdapter
from clients.joining.target import join_target
from clients.publisher.packets import EncodedClip
from clients.publisher.prepare import prepare_clip
from clients.publisher.tracks import Pace, PacketTrack
from realtime.ingest.sink import EndReason
from realtime.ingest.source import MediaSource, OpenSource
from realtime.types import GapReason, TrackKind
from tests.support.livekit_double import CAMERA, MICROPHONE, SCREEN_SHARE, LiveKitDouble
from tests.support.livekit_session import Media
from tests.support.media import write_clip
from tests.support.media_recorder import PATIENCE_S, MediaRecorder, until

#: What the lag tracker can learn as a participant's baseline.
LAG_BAND_MS = 280


class RecordingRoom:
    """The monitor's side of the call."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.sources: dict[str, MediaSource] = {}
        self.sinks: dict[str, MediaRecorder] = {}
        self.events: list[tuple[str, str]] = []

    @property
    def clock_ns(self) -> Callable[[], int]:
        return time.monotonic_ns

    async def appeared(self, feed: str, name: str, open_source: OpenSource) -> None:
        sink = self.sinks[name] = MediaRecorder(self.changed)
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
        await until(self.changed, condition)

    async def live(self, name: str, *kinds: TrackKind) -> MediaRecorder:
        """Wait until a participant's tracks deliver."""
        await self.until(lambda: name in self.sinks and self.sinks[name].live == set(kinds))
        return self.sinks[name]


class Clip:
    """A looped clip; both tracks are in step, whenever somebody subscribes to them.

    Attributes:
        silenced: Kinds of media whose packets are lost on the way.
    """

    def __init__(self, encoded: EncodedClip) -> None:
        self._encoded = encoded
        self._pace = Pace()
        self.silenced: set[str] = set()

    def media(self, source: models.TrackSource) -> Media:
        kind: TrackKind = "audio" if source == MICROPHONE else "video"
        return Media(source, lambda: LossyTrack(self._encoded, kind, self._pace, self.silenced))


class LossyTrack(PacketTrack):
    def __init__(self, clip: EncodedClip, kind: TrackKind, pace: Pace, silenced: set[str]) -> None:
        super().__init__(clip, kind, pace)
        self._silenced = silenced

    async def recv(self) -> av.Packet:
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
    encoded = await EncodedClip.open(clip_path, loop=True)
    yield Clip(encoded)
    await encoded.aclose()


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


async def test_a_participant_is_heard_and_seen_in_step(
    server: LiveKitDouble, clip: Clip, capsys: pytest.CaptureFixture[str]
) -> None:
    room = RecordingRoom()
    await server.enter("alice", clip.media(MICROPHONE), clip.media(CAMERA), name="Alice")
    await server.enter("presenter", clip.media(SCREEN_SHARE))
    async with attended(server, room) as (adapter, _):
        sink = await room.live("Alice", "audio", "video")
        assert await adapter.post("Seamwatch monitor is here.")
        await until(server.changed, lambda: bool(server.texts))
        await room.until(lambda: min(len(sink.flashes_ns()), len(sink.beeps_ns())) >= 8)
        (source,) = room.sources.values()
        reception = source.reception()
    await until(server.changed, lambda: server.visit.left)
    assert server.texts == [("lk.chat", "Seamwatch monitor is here.")]
    assert room.events == [("appeared", "Alice")]
    assert sink.ends == [EndReason.CLOSED]
    assert sink.shapes == {(120, 160, 3)}
    assert reception.sync == "reports"
    assert reception.audio is not None
    assert reception.video is not None
    assert min(reception.audio.packets, reception.video.packets) > 100
    errors = sink.errors_ms()[3:]
    with capsys.disabled():
        print(f"\nLiveKit SDK, beep minus flash, +-20 ms of grid: {[round(error) for error in errors]} ms")
    assert abs(median(errors)) <= LAG_BAND_MS


async def test_people_and_tracks_come_and_go(server: LiveKitDouble, clip: Clip) -> None:
    room = RecordingRoom()
    async with attended(server, room):
        (microphone,) = await server.enter("bob", clip.media(MICROPHONE))
        sink = await room.live("bob", "audio")
        camera = await server.publish("bob", clip.media(CAMERA))
        await room.live("bob", "audio", "video")
        await server.mute("bob", microphone, True)
        await room.until(lambda: sink.gap_ms("audio", GapReason.MUTED) > 1000)
        await server.mute("bob", microphone, False)
        await room.live("bob", "audio", "video")
        await server.unpublish("bob", camera)
        await room.until(lambda: sink.gap_ms("video", GapReason.MUTED) > 1000)
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
        sink = await room.live("Alice", "audio")
        await room.until(lambda: sink.heard_s > 1)
        before_ms = sink.gap_ms("audio", GapReason.LOSS)
        clip.silenced.add("audio")
        await room.until(lambda: sink.gap_ms("audio", GapReason.LOSS) - before_ms > 2000)
        heard_s = sink.heard_s
        clip.silenced.clear()
        await room.until(lambda: sink.heard_s > heard_s + 1)


async def test_it_finds_everybody_again_after_the_connection_broke(server: LiveKitDouble, clip: Clip) -> None:
    room = RecordingRoom()
    await server.enter("alice", clip.media(CAMERA), name="Alice")
    async with attended(server, room):
        first = await room.live("Alice", "video")
        await server.cut()
        await room.until(lambda: room.sinks["Alice"] is not first)
        await room.live("Alice", "video")
    assert first.ends == [EndReason.CLOSED]
    assert [event for event, _ in room.events] == ["appeared", "left", "appeared"]


@pytest.mark.parametrize("reason", ["ROOM_DELETED", "PARTICIPANT_REMOVED"])
async def test_how_it_was_sent_away_says_whether_it_is_over(server: LiveKitDouble, reason: str) -> None:
    async with attended(server, RecordingRoom()) as (_, attending):
        await server.dismiss(models.DisconnectReason.Value(reason))
        if reason == "ROOM_DELETED":
            await attending
        else:
            with pytest.raises(JoinError, match="removed"):
                await attending


async def test_a_hidden_monitor_leaves_at_once(server: LiveKitDouble) -> None:
    server.permission.hidden = True
    with pytest.raises(JoinError, match="hides"):
        await adapter_for(server).attend(RecordingRoom(), lambda: None)
    await until(server.changed, lambda: server.visit.left)


async def test_a_bad_token_is_told(server: LiveKitDouble) -> None:
    server.refusal = HTTPStatus.UNAUTHORIZED
    with pytest.raises(JoinError, match="token"):
        await adapter_for(server).attend(RecordingRoom(), lambda: None)
