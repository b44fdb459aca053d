"""A real aiortc publisher and the receiver in one process, over UDP on this machine."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from clients.publisher.packets import EncodedClip
from clients.publisher.peer import PublisherPeer
from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.ingest.webrtc import WebRtcReceiver
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS, sample_at, sample_time_ns
from realtime.types import AudioFrame, MediaGap, TrackKind, UInt8

PATIENCE_S = 20.0


class Recorder:
    """A sink that checks that every track tiles the timeline, and keeps what it needs."""

    def __init__(self) -> None:
        self.images: list[UInt8] = []
        self.keep_images = False
        self.audio: list[AudioFrame] = []
        self.pictures: list[tuple[int, float, tuple[int, int]]] = []
        self.gaps: list[MediaGap] = []
        self.states: list[tuple[TrackKind, TrackState]] = []
        self.covered: dict[TrackKind, int] = {"audio": 0, "video": 0}
        self.arrivals: list[int] = []
        self.ends: list[EndReason] = []
        self.changed = asyncio.Event()

    def _cover(self, kind: TrackKind, start_ns: int, end_ns: int) -> None:
        assert start_ns == self.covered[kind]
        assert end_ns > start_ns
        self.covered[kind] = end_ns
        self.changed.set()

    def on_audio(self, frame: AudioFrame) -> None:
        end_ns = sample_time_ns(sample_at(frame.start_ns) + len(frame.samples))
        self._cover("audio", frame.start_ns, end_ns)
        self.audio.append(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        self._cover("video", picture.tick * TICK_NS, (picture.tick + 1) * TICK_NS)
        image = picture.convert()
        if self.keep_images:
            self.images.append(image)
        self.pictures.append((picture.tick, float(image.mean()), image.shape[:2]))
        assert picture.arrival_ns is not None
        self.arrivals.append(picture.arrival_ns)

    def on_gap(self, gap: MediaGap) -> None:
        self._cover(gap.track, gap.span.start_ns, gap.span.end_ns)
        self.gaps.append(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        self.states.append((kind, state))
        self.changed.set()

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)
        self.changed.set()

    async def until(self, condition: Callable[["Recorder"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()

    def flash_ticks(self) -> list[int]:
        bright = {tick: mean > 150 for tick, mean, _ in self.pictures}
        return [tick for tick in bright if bright[tick] and bright.get(tick - 1) is False]

    def beeps_ns(self) -> list[int]:
        onsets: list[int] = []
        for frame in self.audio:
            for sample in np.flatnonzero(np.abs(frame.samples) > 0.25):
                time_ns = frame.start_ns + int(sample) * NS_PER_S // SAMPLE_RATE_HZ
                if not onsets or time_ns - onsets[-1] > NS_PER_S // 2:
                    onsets.append(time_ns)
        return onsets


@asynccontextmanager
async def call(
    path: Path, *, loop: bool = False, alone: bool = True
) -> AsyncIterator[tuple[Recorder, PublisherPeer, WebRtcReceiver]]:
    """Connect a publisher of a file with a receiver; leaving ends both, and alone leaves nothing running."""
    sink = Recorder()
    receiver = WebRtcReceiver(sink, clock_ns=time.monotonic_ns)
    clip = await EncodedClip.open(path, loop=loop)
    peer = PublisherPeer(clip)
    try:
        await peer.accept_answer(await receiver.accept(await peer.offer()))
        yield sink, peer, receiver
    finally:
        await receiver.close()
        await peer.close()
        await clip.aclose()
    if alone:
        await nothing_left()


async def nothing_left() -> None:
    """Let callbacks that are already due run, then require that no task and no media thread is left."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    threads = [thread.name for thread in threading.enumerate()]
    assert not [name for name in threads if name.endswith("-decoder") or name.startswith("clip")]
