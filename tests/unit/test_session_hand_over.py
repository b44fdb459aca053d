from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from realtime.alerts.store import AlertStore
from realtime.config import MonitorConfig
from realtime.ingest.sink import EndReason, PendingPicture
from realtime.messages import Narrator
from realtime.milestones import Milestones
from realtime.observe.metrics import MonitorMetrics
from realtime.server.hub import EventHub
from realtime.session import MAX_PICTURES_PER_BATCH, ParticipantSession, SessionContext
from realtime.timebase import SAMPLES_PER_TICK, sample_time_ns, tick_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TimeSpan, VideoFrame

EVERY = MonitorConfig().faces.detection_interval_ticks


class Pipeline:
    """Notes what it is given; analysing waits until it may go on."""

    def __init__(self) -> None:
        self.ticks: list[int] = []
        self.samples = 0
        self.gaps = 0
        self.flushed = 0
        self.last_face = None
        self.dropped_windows = 0

    def push_video(self, frames: Sequence[VideoFrame]) -> list[Any]:
        self.ticks += [frame.tick for frame in frames]
        return []

    def push_audio(self, frames: Sequence[AudioFrame]) -> list[Any]:
        self.samples += sum(len(frame.samples) for frame in frames)
        return []

    def push_gap(self, _gap: MediaGap) -> list[Any]:
        self.gaps += 1
        return []

    def set_stride(self, stride: int) -> None:
        pass

    def set_sync_uncertainty(self, uncertainty_ns: int) -> None:
        pass

    def flush(self) -> list[Any]:
        self.flushed += 1
        return []


class CountingExecutor(ThreadPoolExecutor):
    def __init__(self) -> None:
        super().__init__(1)
        self.submitted = 0
        self.grown = asyncio.Event()

    def submit(self, *args: Any, **options: Any) -> Any:
        self.submitted += 1
        self.grown.set()
        return super().submit(*args, **options)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[ParticipantSession, Pipeline, CountingExecutor]]:
    pipeline: Any = Pipeline()
    with CountingExecutor() as executor:
        async with AlertStore(None, clock=lambda: 0.0) as store:
            metrics = MonitorMetrics()
            context = SessionContext(
                hub=EventHub(store, metrics),
                metrics=metrics,
                executor=executor,
                clock_ns=lambda: 1,
                thumbnails=False,
                milestones=Milestones.of(MonitorConfig()),
            )
            session = ParticipantSession(context, pipeline, Narrator("standup", "ann", {}, 0))
            task = asyncio.create_task(session.run())
            await asyncio.sleep(0)
            yield session, pipeline, executor
            session.on_end(EndReason.PEER_LEFT)
            assert await task is EndReason.PEER_LEFT


async def settle(executor: CountingExecutor, submitted: int) -> None:
    """Wait until so much has been handed over, and what can follow from it has."""
    while executor.submitted < submitted:
        executor.grown.clear()
        await executor.grown.wait()
    for _ in range(3):
        await asyncio.wrap_future(ThreadPoolExecutor.submit(executor, int))
        await asyncio.sleep(0)


def picture(tick: int) -> PendingPicture:
    image: Any = SimpleNamespace(width=4, height=4)
    return PendingPicture(tick=tick, arrival_ns=1, convert=lambda: image, picture=lambda: image)


def sound(start: int, samples: int) -> AudioFrame:
    return AudioFrame(start_ns=sample_time_ns(start), samples=np.zeros(samples, np.float32), arrival_ns=1)


async def test_pictures_are_handed_over_when_the_detector_can_run() -> None:
    async with running() as (session, pipeline, executor):
        for tick in range(1, EVERY):
            session.on_picture(picture(tick))
        await settle(executor, 0)
        assert pipeline.ticks == []
        session.on_picture(picture(EVERY))
        await settle(executor, 1)
        assert pipeline.ticks == list(range(1, EVERY + 1))
        assert executor.submitted == 1


async def test_sound_is_handed_over_when_it_completes_a_window() -> None:
    first = MonitorConfig().windows.length_ticks + MonitorConfig().windows.band_ticks
    async with running() as (session, pipeline, executor):
        for tick in range(first):
            await settle(executor, 0)
            assert pipeline.samples == 0
            session.on_audio(sound(tick * SAMPLES_PER_TICK, SAMPLES_PER_TICK))
        await settle(executor, 1)
        assert pipeline.samples == first * SAMPLES_PER_TICK


async def test_a_gap_is_handed_over_at_once() -> None:
    span = TimeSpan(start_ns=0, end_ns=tick_time_ns(2))
    async with running() as (session, pipeline, executor):
        session.on_gap(MediaGap(track="video", span=span, reason=GapReason.LOSS))
        await settle(executor, 1)
        assert pipeline.gaps == 1


async def test_a_backlog_is_worked_off_without_waiting_for_more() -> None:
    ticks = range(2 * MAX_PICTURES_PER_BATCH + 1)
    async with running() as (session, pipeline, executor):
        for tick in ticks:
            session.on_picture(picture(tick))
        await settle(executor, 3)
        assert pipeline.ticks == list(ticks)


async def test_what_waits_at_the_end_is_analysed_before_it() -> None:
    async with running() as (session, pipeline, _):
        session.on_picture(picture(1))
        session.on_audio(sound(0, 320))
    assert pipeline.ticks == [1]
    assert pipeline.samples == 320
    assert pipeline.flushed == 1
