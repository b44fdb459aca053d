"""Audio of any rate, layout and sample format to 16 kHz mono with sample-exact call times."""

from __future__ import annotations

from collections import deque
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from realtime.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, sample_at, sample_time_ns
from realtime.types import AudioFrame, Float32, GapReason, MediaGap, TimeSpan, read_only

JITTER_TOLERANCE_NS = 20 * NS_PER_MS
MAX_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10
#: A shorter hole is filled with silence that is not handed on: a new resampler would cost ten times as much.
MAX_BRIDGED_NS = 200 * NS_PER_MS

AudioItem = AudioFrame | MediaGap


class AudioLine:
    """The audio half of a participant's timeline: blocks and gaps, in order, from call time zero.

    A segment is a run of input without a hole. Inside it samples are counted, not timed: a pts that is off by
    less than the tolerance is jitter. Beyond that, a late pts starts a new segment after a
    ``MediaGap`` and an early one means that media already covered came again: it is cut away and counted. The
    error of a block's time is therefore bounded by the tolerance however far the source's clock drifts.

    A hole of up to ``MAX_BRIDGED_NS`` does not end its segment: the resampler is fed silence, of which
    nothing is handed on but the gap.

    The resampler (libswresample, polyphase) aligns its first output sample with its first input sample; its
    delay holds output back but does not shift it, so sample n of a segment lies n / 16000 s after its start.

    Args:
        jitter_tolerance_ns: How far a pts may be off; less than the shortest hole that is to be told.
    """

    def __init__(self, *, jitter_tolerance_ns: int = JITTER_TOLERANCE_NS) -> None:
        self._tolerance_ns = jitter_tolerance_ns
        self._resampler: AudioResampler | None = None
        self._format: tuple[int, str, str] | None = None
        self._anchor_ns: int | None = None
        self._counted = 0
        self._next_sample = 0
        self._to_cut = 0
        self._holes: deque[tuple[int, int]] = deque()
        self._silent_samples = 0
        self._began = False
        self._arrival_ns: int | None = None
        self.frames = 0
        self.late_samples = 0

    @property
    def covered_ns(self) -> int:
        """Call time up to which blocks or gaps have been returned."""
        return sample_time_ns(self._next_sample)

    @property
    def late(self) -> int:
        """Milliseconds of audio cut away because their time was already covered."""
        return self.late_samples * 1000 // SAMPLE_RATE_HZ

    def push(self, time_ns: int, frame: av.AudioFrame, arrival_ns: int | None = None) -> list[AudioItem]:
        """Add decoded audio with the call time of its first sample, and return what it completes."""
        if frame.samples == 0:
            return []
        self.frames += 1
        self._arrival_ns = arrival_ns
        items: list[AudioItem] = []
        source = (frame.sample_rate, frame.layout.name, frame.format.name)
        expected_ns = self._expected_ns()
        if expected_ns is not None and source != self._format:
            items += self._drain()
            self._anchor_ns, self._counted = expected_ns, 0
        if expected_ns is not None:
            ahead_ns = time_ns - expected_ns
            if ahead_ns > self._tolerance_ns:
                bridged = self._resampler is not None and ahead_ns <= MAX_BRIDGED_NS and _has_silence(frame)
                items += self._bridge(frame, expected_ns, time_ns) if bridged else self._end_segment()
            elif ahead_ns < -self._tolerance_ns:
                repeated = -ahead_ns * frame.sample_rate // NS_PER_S
                self.late_samples += min(repeated, frame.samples) * SAMPLE_RATE_HZ // frame.sample_rate
                if repeated >= frame.samples:
                    return items
                frame = _without_head(frame, repeated)
        if self._anchor_ns is None:
            items += self._begin_segment(time_ns)
        self._format = source
        return items + self._resample(frame)

    def advance(self, time_ns: int, reason: GapReason) -> list[AudioItem]:
        """Cover everything before a call time; what no audio covers becomes a gap."""
        if sample_at(time_ns) <= self._next_sample:
            return []
        return self._end_segment() + self._gap_to(sample_at(time_ns), reason)

    def flush(self) -> list[AudioItem]:
        """Return what the resampler still holds; the segment is over."""
        return self._end_segment()

    def _expected_ns(self) -> int | None:
        if self._anchor_ns is None or self._format is None:
            return None
        return self._anchor_ns + self._counted * NS_PER_S // self._format[0]

    def _resample(self, frame: av.AudioFrame) -> list[AudioItem]:
        self._counted += frame.samples
        if self._resampler is None:
            self._resampler = AudioResampler(
                format="flt", layout="mono", rate=SAMPLE_RATE_HZ, options={"rematrix_maxval": "1.0"}
            )
        return self._blocks(self._resampler.resample(frame))

    def _bridge(self, frame: av.AudioFrame, start_ns: int, end_ns: int) -> list[AudioItem]:
        self._holes.append((sample_at(start_ns), sample_at(end_ns)))
        missing = (end_ns - start_ns) * frame.sample_rate // NS_PER_S
        return self._resample(_silence_like(frame, missing))

    def _begin_segment(self, time_ns: int) -> list[AudioItem]:
        self._anchor_ns, self._counted = time_ns, 0
        start = sample_at(time_ns)
        self._to_cut = max(0, self._next_sample - start)
        gap = self._gap_to(start, GapReason.LOSS if self._began else GapReason.NO_TRACK)
        self._began = True
        return gap

    def _end_segment(self) -> list[AudioItem]:
        items = self._drain()
        self._anchor_ns = None
        return items

    def _drain(self) -> list[AudioItem]:
        if self._resampler is None:
            return []
        remaining = [frame for frame in self._resampler.resample(None) if frame is not None]
        self._resampler = None
        items = self._blocks(remaining)
        self._holes.clear()
        self._silent_samples = 0
        return items

    def _gap_to(self, end_sample: int, reason: GapReason) -> list[AudioItem]:
        if end_sample <= self._next_sample:
            return []
        span = TimeSpan(start_ns=self.covered_ns, end_ns=sample_time_ns(end_sample))
        self._next_sample = end_sample
        return [MediaGap(track="audio", span=span, reason=reason)]

    def _blocks(self, frames: list[av.AudioFrame]) -> list[AudioItem]:
        items: list[AudioItem] = []
        for frame in frames:
            samples = _mono(frame)
            cut = min(self._to_cut, len(samples))
            self._to_cut -= cut
            self.late_samples += cut
            first = cut
            while first < len(samples):
                items += self._holes_here()
                if self._silent_samples:
                    passed = min(self._silent_samples, len(samples) - first)
                    self._silent_samples -= passed
                else:
                    passed = min(MAX_BLOCK_SAMPLES, len(samples) - first, self._samples_to_hole())
                    block = read_only(samples[first : first + passed])
                    items.append(
                        AudioFrame(start_ns=self.covered_ns, samples=block, arrival_ns=self._arrival_ns)
                    )
                    self._next_sample += passed
                first += passed
        return items

    def _holes_here(self) -> list[AudioItem]:
        """Return the gap that begins here, if one does; its silence is then still to come."""
        gaps: list[AudioItem] = []
        while self._holes and self._holes[0][0] <= self._next_sample:
            _, end = self._holes.popleft()
            self._silent_samples += max(0, end - self._next_sample)
            gaps += self._gap_to(end, GapReason.LOSS)
        return gaps

    def _samples_to_hole(self) -> int:
        return self._holes[0][0] - self._next_sample if self._holes else MAX_BLOCK_SAMPLES


def _mono(frame: av.AudioFrame) -> Float32:
    plane = memoryview(frame.planes[0])
    samples: Float32 = np.frombuffer(plane, dtype=np.float32, count=frame.samples).copy()
    if not np.isfinite(samples.dot(samples)):
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0, out=samples)


def _has_silence(frame: av.AudioFrame) -> bool:
    """Whether zeros are silence in this format."""
    return not frame.format.name.startswith("u8")


def _silence_like(frame: av.AudioFrame, samples: int) -> av.AudioFrame:
    rows: Any = frame.to_ndarray()
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    silence = av.AudioFrame.from_ndarray(
        np.zeros((len(rows), samples * step), rows.dtype), format=frame.format.name, layout=frame.layout.name
    )
    silence.sample_rate = frame.sample_rate
    return silence


def _without_head(frame: av.AudioFrame, samples: int) -> av.AudioFrame:
    """Return the frame less its first samples; packed formats keep the channels in one row."""
    rows: Any = frame.to_ndarray()
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    rest = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(rows[:, samples * step :]), format=frame.format.name, layout=frame.layout.name
    )
    rest.sample_rate = frame.sample_rate
    return rest
