"""Cuts the analysed media of one participant into overlapping windows on a fixed hop grid."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from realtime.config import WindowConfig
from realtime.timebase import FRAME_RATE_HZ, SAMPLES_PER_TICK, sample_at, tick_at, tick_time_ns
from realtime.types import (
    AudioFrame,
    FaceFrame,
    Float32,
    GapReason,
    MediaGap,
    TimeSpan,
    Window,
    read_only,
)
from realtime.windows.rings import SampleRing, TickRing

LIP_POINTS = 40

#: A track that is this far behind the other one is given up on for the window at hand.
STALL_TICKS = FRAME_RATE_HZ


class WindowCutter:
    """Collects ticks, samples, speech probabilities and identity embeddings; hands out complete windows.

    A window is complete when its video ticks and its audio (the span widened by the lag band) are known, be
    it as media or as a gap. A track that stalls delays a window by at most ``STALL_TICKS``; what it has not
    delivered by then counts as missing. Windows come in order, each hop exactly once; memory is fixed.

    Args:
        config: Window length, hop and lag band.
        identity_dimension: Length of the identity embeddings.
        mouth_size_px: Side of the mouth pictures that faces carry; None where they carry none.
    """

    def __init__(
        self, config: WindowConfig, identity_dimension: int, mouth_size_px: int | None = None
    ) -> None:
        self._config = config
        self._identity_dimension = identity_dimension
        capacity = 2 * (config.length_ticks + 2 * config.band_ticks + config.hop_ticks + 2 * STALL_TICKS)
        self._capacity = capacity
        self._lips = TickRing(capacity, (LIP_POINTS, 2))
        self._mouths = (
            None if mouth_size_px is None else TickRing(capacity, (mouth_size_px, mouth_size_px), np.uint8)
        )
        self._speech = TickRing(capacity)
        self._samples = SampleRing(capacity)
        self._faces: deque[FaceFrame] = deque(maxlen=capacity)
        self._identities: deque[tuple[int, Float32]] = deque(maxlen=capacity)
        self._audio_arrivals: deque[tuple[int, int]] = deque(maxlen=4 * capacity)
        self._audio_gaps: deque[MediaGap] = deque(maxlen=64)
        self._video_end_tick = 0
        self._audio_end_sample = 0
        self._next_index: int | None = None
        self.skipped_windows = 0

    def push_face(self, frame: FaceFrame) -> None:
        """Take the face analysis of the next tick; ticks come in order."""
        self._start_at(frame.tick)
        self._video_end_tick = frame.tick + 1
        self._faces.append(frame)
        self._keep_lips(frame)

    def faces(self, start_tick: int, stop_tick: int | None = None) -> list[FaceFrame]:
        """Return the face analyses in memory from one tick to another, or to the newest."""
        return [
            face
            for face in self._faces
            if face.tick >= start_tick and (stop_tick is None or face.tick < stop_tick)
        ]

    def replace_faces(self, frames: Sequence[FaceFrame]) -> None:
        """Take the face analyses of ticks in memory anew, now that somebody has looked for their lips."""
        by_tick = {frame.tick: frame for frame in frames}
        for index, face in enumerate(self._faces):
            if face.tick in by_tick:
                self._faces[index] = by_tick[face.tick]
                self._keep_lips(by_tick[face.tick])

    @property
    def open_from_tick(self) -> int:
        """The first tick of the next window."""
        return 0 if self._next_index is None else self._next_index * self._config.hop_ticks

    def recut(self, window: Window) -> Window:
        """Return the window that ``ready`` or ``flush`` yielded last with the lips that are known now.

        Ticks of which nobody knows the lips carry none then.
        """
        start = window.index * self._config.hop_ticks
        return self._window(window.index, start, start + self._config.length_ticks, assume_lips=False)

    def _keep_lips(self, frame: FaceFrame) -> None:
        if frame.lips is not None:
            self._lips.put(frame.tick, frame.lips)
        if self._mouths is not None and frame.mouth is not None:
            self._mouths.put(frame.tick, frame.mouth)

    def push_identity(self, tick: int, embedding: Float32) -> None:
        """Take the unit-norm identity embedding of one tick's face."""
        self._identities.append((tick, embedding))

    def push_audio(self, frame: AudioFrame) -> None:
        """Take a block of audio; it counts as known once ``push_speech`` has covered it."""
        start = sample_at(frame.start_ns)
        self._start_at(start // SAMPLES_PER_TICK)
        self._samples.put(start, frame.samples)
        if frame.arrival_ns is not None:
            self._audio_arrivals.append((start + len(frame.samples), frame.arrival_ns))

    def push_speech(self, start_sample: int, end_sample: int, probability: float) -> None:
        """Take the speech probability of a run of samples; runs come in order."""
        first = -(-start_sample // SAMPLES_PER_TICK)
        last = -(-end_sample // SAMPLES_PER_TICK)
        for tick in range(first, last):
            self._speech.put(tick, probability)
        self._audio_end_sample = max(self._audio_end_sample, end_sample)

    def push_audio_gap(self, gap: MediaGap, *, waiting_from: int | None = None) -> None:
        """Take a span without audio.

        Args:
            gap: The span.
            waiting_from: The sample from which on ``push_speech`` is still to come; None where it is not.
        """
        self._start_at(tick_at(gap.span.start_ns))
        self._audio_gaps.append(gap)
        end_sample = sample_at(gap.span.end_ns)
        if waiting_from is not None:
            end_sample = min(end_sample, waiting_from)
        self._audio_end_sample = max(self._audio_end_sample, end_sample)

    def ready(self) -> Iterator[Window]:
        """Yield the windows that have become complete."""
        yield from self._cut(at_end=False)

    def flush(self) -> Iterator[Window]:
        """Yield the windows whose video is complete although their widened audio is not."""
        yield from self._cut(at_end=True)

    def _start_at(self, tick: int) -> None:
        if self._next_index is None:
            self._next_index = -(-tick // self._config.hop_ticks)

    @property
    def due_end_tick(self) -> int | None:
        """The end of the newest window that ``ready`` would yield or skip now; None where there is none."""
        index, end = self._next_index, None
        while index is not None and self._is_due(index, at_end=False):
            end = index * self._config.hop_ticks + self._config.length_ticks
            index += 1
        return end

    def _is_due(self, index: int, *, at_end: bool) -> bool:
        band_ticks = self._config.band_ticks
        stop = index * self._config.hop_ticks + self._config.length_ticks
        audio_end_tick = self._audio_end_sample // SAMPLES_PER_TICK
        newest = max(self._video_end_tick, audio_end_tick)
        complete = self._video_end_tick >= stop and audio_end_tick >= stop + band_ticks
        stalled = newest >= stop + band_ticks + STALL_TICKS
        ended = at_end and newest >= stop
        return complete or stalled or ended

    def _cut(self, *, at_end: bool) -> Iterator[Window]:
        while self._next_index is not None and self._is_due(self._next_index, at_end=at_end):
            start = self.open_from_tick
            newest = max(self._video_end_tick, self._audio_end_sample // SAMPLES_PER_TICK)
            if start < newest - self._capacity + 2 * self._config.band_ticks:
                self._next_index += 1
                self.skipped_windows += 1
                continue
            yield self._window(self._next_index, start, start + self._config.length_ticks, assume_lips=True)
            self._next_index += 1
            self._forget_regions()

    def _forget_regions(self) -> None:
        """Keep the regions in which lips are awaited only as long as a window may want them."""
        for index, face in enumerate(self._faces):
            if face.region is not None and face.tick < self.open_from_tick:
                self._faces[index] = replace(face, region=None)

    def _window(self, index: int, start: int, stop: int, *, assume_lips: bool) -> Window:
        band = self._config.band_ticks
        lips, lips_present = self._lips.get(start, stop)
        mouth, mouth_present = (None, None) if self._mouths is None else self._mouths.get(start, stop)
        audio, audio_present = self._samples.get(start - band, stop + band)
        speech, _ = self._speech.get(start - band, stop + band)
        speech[~audio_present] = 0.0
        faces = self.faces(start, stop)
        if assume_lips:
            lips_present[[face.tick - start for face in faces if face.awaits_lips]] = True
        identities = [vector for tick, vector in self._identities if start <= tick < stop]
        embeddings = (
            np.stack(identities) if identities else np.zeros((0, self._identity_dimension), np.float32)
        )
        followed = [face for face in faces if face.track_id is not None]
        tracks = dict.fromkeys(face.track_id for face in followed if face.track_id is not None)
        return Window(
            index=index,
            span=TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(stop)),
            lips=read_only(lips),
            lips_present=read_only(lips_present),
            identity_embeddings=read_only(embeddings),
            track_ids=tuple(tracks),
            audio=read_only(audio),
            audio_present=read_only(audio_present),
            speech=read_only(speech),
            mouth=None if mouth is None else read_only(mouth),
            mouth_present=None if mouth_present is None else read_only(mouth_present),
            face_px=_median([face.face_size_px for face in followed]),
            sharpness=_median([face.sharpness for face in followed]),
            other_faces=max((face.other_faces for face in followed), default=0),
            reasons=self._reasons(faces, start, stop),
            arrival_ns=self._arrival(faces, stop + band),
        )

    def _reasons(self, faces: list[FaceFrame], start: int, stop: int) -> tuple[str, ...]:
        counts: Counter[str] = Counter(str(face.reason) for face in faces if face.reason is not None)
        unseen = stop - start - len(faces)
        if unseen > 0:
            counts["no_video"] += unseen
        for gap in self._audio_gaps:
            first = max(start, tick_at(gap.span.start_ns))
            last = min(stop, tick_at(gap.span.end_ns - 1) + 1)
            if last > first:
                missing = gap.reason in (GapReason.NO_TRACK, GapReason.ENDED)
                counts["no_audio" if missing else str(gap.reason)] += last - first
        if self._audio_end_sample == 0:
            counts["no_audio"] += stop - start
        return tuple(reason for reason, _ in counts.most_common())

    def _arrival(self, faces: list[FaceFrame], audio_stop_tick: int) -> int | None:
        arrivals = [face.arrival_ns for face in faces if face.arrival_ns is not None]
        needed = audio_stop_tick * SAMPLES_PER_TICK
        arrivals.extend(arrival for end, arrival in self._audio_arrivals if end <= needed + SAMPLES_PER_TICK)
        return max(arrivals, default=None)


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
