"""A sink that keeps what a source delivers, and insists that it leaves neither hole nor overlap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from realtime.ingest.sink import EndReason, PendingPicture, TrackState
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, TICK_NS, sample_at, sample_time_ns
from realtime.types import AudioFrame, GapReason, MediaGap, TrackKind

PATIENCE_S = 60.0
BRIGHT = 150


class MediaRecorder:
    """Records a clip as of ``tests.support.media``: a flash and a beep at every whole second.

    Args:
        changed: Told of everything; None for an event of its own.
    """

    def __init__(self, changed: asyncio.Event | None = None) -> None:
        self.changed = changed or asyncio.Event()
        self.audio: list[AudioFrame] = []
        self.pictures: list[PendingPicture] = []
        self.bright: dict[int, bool] = {}
        self.shapes: set[tuple[int, ...]] = set()
        self.gaps: list[MediaGap] = []
        self.states: list[tuple[TrackKind, TrackState]] = []
        self.ends: list[EndReason] = []
        self.covered: dict[TrackKind, int] = {"audio": 0, "video": 0}

    def _cover(self, kind: TrackKind, start_ns: int, end_ns: int) -> None:
        assert start_ns == self.covered[kind]
        assert end_ns > start_ns
        assert not self.ends
        self.covered[kind] = end_ns
        self.changed.set()

    def on_audio(self, frame: AudioFrame) -> None:
        end_ns = sample_time_ns(sample_at(frame.start_ns) + len(frame.samples))
        self._cover("audio", frame.start_ns, end_ns)
        self.audio.append(frame)

    def on_picture(self, picture: PendingPicture) -> None:
        self._cover("video", picture.tick * TICK_NS, (picture.tick + 1) * TICK_NS)
        self.pictures.append(picture)
        image = picture.convert()
        self.bright[picture.tick] = bool(image.mean() > BRIGHT)
        self.shapes.add(image.shape)

    def on_gap(self, gap: MediaGap) -> None:
        self._cover(gap.track, gap.span.start_ns, gap.span.end_ns)
        self.gaps.append(gap)

    def on_track(self, kind: TrackKind, state: TrackState) -> None:
        self.states.append((kind, state))
        self.changed.set()

    def on_end(self, reason: EndReason) -> None:
        self.ends.append(reason)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        await until(self.changed, condition)

    @property
    def live(self) -> set[TrackKind]:
        """The tracks that deliver now."""
        return {kind for kind, state in dict(self.states).items() if state is TrackState.LIVE}

    @property
    def heard_s(self) -> float:
        """Seconds of audio so far."""
        return sum(len(frame.samples) for frame in self.audio) / SAMPLE_RATE_HZ

    def gap_ms(self, kind: TrackKind, reason: GapReason) -> float:
        """Return how much of a track is missing for a reason."""
        spans = [gap.span for gap in self.gaps if (gap.track, gap.reason) == (kind, reason)]
        return sum(span.duration_ns for span in spans) / 1e6

    def flashes_ns(self) -> list[int]:
        """Return the ticks at which a flash begins, less those right after a gap."""
        return [
            tick * TICK_NS
            for tick, bright in self.bright.items()
            if bright and self.bright.get(tick - 1) is False
        ]

    def beeps_ns(self) -> list[int]:
        """Return when the beeps begin."""
        onsets: list[int] = []
        for frame in self.audio:
            for sample in np.flatnonzero(np.abs(frame.samples) > 0.25):
                time_ns = frame.start_ns + int(sample) * NS_PER_S // SAMPLE_RATE_HZ
                if not onsets or time_ns - onsets[-1] > NS_PER_S // 2:
                    onsets.append(time_ns)
        return onsets

    def errors_ms(self) -> list[float]:
        """Return how much later than its flash each beep is; pictures are on a grid of 40 ms."""
        beeps = self.beeps_ns()
        return [(min(beeps, key=lambda beep: abs(beep - flash)) - flash) / 1e6 for flash in self.flashes_ns()]


async def until(changed: asyncio.Event, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that can only change when the event is set."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            changed.clear()
            await changed.wait()
