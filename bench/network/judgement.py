"""From what a receiver handed on to figures: alignment, gaps, corruption, delay, cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.network.calibration import FRAME_RATE_HZ, Calibration, sound
from bench.network.meter import UNKNOWN, Int64, Record
from realtime.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, sample_at
from realtime.types import Float32

#: What lies before this in the clip is not judged: the connection stands and sender reports have come.
SETTLE_S = 4.0
#: What lies nearer to the clip's end is not judged: it may be on its way when the session ends.
TAIL_S = 1.5
WINDOW_S = 1.0
SEARCH_S = 1.5
MIN_CORRELATION = 0.4
BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
MIN_BLOCK_CORRELATION = 0.3
MIN_PICTURES = 8
MIN_COVERAGE = 0.5

_TIME, _AFTER, _NUMBER, _WRONG, _ARRIVAL, _HANDED_ON = range(6)
Float64 = npt.NDArray[np.float64]
_Curve = tuple[Int64, Int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One receiver, one run. Times in ms; None where nothing was there to measure.

    Attributes:
        alignment: Sound behind its picture: median over windows of a second.
        alignment_error_p95: 95th percentile of its absolute value.
        video_gap: Longest stretch of the call's timeline without a new sound picture.
        freeze: Longest wait between two sound pictures, by the clock.
        pictures_missing: Fraction of the clip's pictures that were not handed on.
        audio_missing: Fraction of the sound that was not handed on.
        audio_wrong: Fraction of the sound handed on that is not the clip's.
        corrupt_pictures: Pictures handed on whose number or cells are wrong.
        pictures: New pictures handed on.
        video_delay: Sent to handed on, median.
        video_delay_p95: The same, 95th percentile.
        audio_delay: Sent to handed on, median.
        audio_delay_p95: The same, 95th percentile.
        video_hold: Last packet's arrival to handed on, median.
        audio_hold: Packet's arrival to handed on, median.
        cores: Processor seconds of the receiver for a second of media, the meter's taken off.
    """

    alignment: float | None
    alignment_error_p95: float | None
    video_gap: float
    freeze: float
    pictures_missing: float
    audio_missing: float
    audio_wrong: float
    corrupt_pictures: int
    pictures: int
    video_delay: float | None
    video_delay_p95: float | None
    audio_delay: float | None
    audio_delay_p95: float | None
    video_hold: float | None
    audio_hold: float | None
    cores: float


def judge(record: Record, clip: Calibration, sent: Mapping[str, Sequence[Sequence[int]]]) -> Figures:
    """Judge what lies between ``SETTLE_S`` and the last ``TAIL_S`` of the clip.

    Args:
        record: What the receiver handed on.
        clip: What was sent.
        sent: For "audio" and "video", media times in ns and when they were sent, by the record's clock.
    """
    sound_pictures = record.pictures[(record.pictures[:, _NUMBER] >= 0) & (record.pictures[:, _WRONG] == 0)]
    source_s = sound_pictures[:, _NUMBER] / FRAME_RATE_HZ
    judged = sound_pictures[(source_s >= SETTLE_S) & (source_s <= clip.seconds - TAIL_S)]
    video_ns = _picture_offset_ns(judged)
    offset_ns = _first_offset_ns(record, clip) if video_ns is None else video_ns
    span = (
        round(SETTLE_S * NS_PER_S) + offset_ns,
        round((clip.seconds - TAIL_S) * NS_PER_S) + offset_ns,
    )
    audio = _Audio(record, clip)
    curves: dict[str, _Curve] = {
        kind: (np.array(media_ns), np.array(sent_ns)) for kind, (media_ns, sent_ns) in sent.items()
    }
    windows = _windows(span, judged, audio)
    errors = np.array([error / NS_PER_MS for error in windows])
    in_span = record.pictures[(record.pictures[:, _TIME] >= span[0]) & (record.pictures[:, _TIME] < span[1])]
    corrupt = int(((in_span[:, _NUMBER] == UNKNOWN) | (in_span[:, _WRONG] > 0)).sum())
    covered, wrong = audio.coverage(span)
    expected = math.floor((clip.seconds - TAIL_S) * FRAME_RATE_HZ) - math.ceil(SETTLE_S * FRAME_RATE_HZ) + 1
    audio_delays, audio_holds = audio.delays_ms(span, curves.get("audio"))
    return Figures(
        alignment=_median(errors),
        alignment_error_p95=_quantile(np.abs(errors), 0.95),
        video_gap=_longest_ms(np.concatenate(([span[0]], judged[:, _TIME], [span[1]]))),
        freeze=_longest_ms(judged[:, _HANDED_ON]),
        pictures_missing=round(1 - len(np.unique(judged[:, _NUMBER])) / expected, 4),
        audio_missing=round(1 - covered, 4),
        audio_wrong=round(wrong, 4),
        corrupt_pictures=corrupt,
        pictures=len(in_span),
        video_delay=_median(delays := _video_delays_ms(judged, curves.get("video"))),
        video_delay_p95=_quantile(delays, 0.95),
        audio_delay=_median(audio_delays),
        audio_delay_p95=_quantile(audio_delays, 0.95),
        video_hold=_median(_holds_ms(judged[:, _ARRIVAL], judged[:, _HANDED_ON])),
        audio_hold=_median(audio_holds),
        cores=round(record.cpu_ns / NS_PER_S / max(record.seconds, 1e-9), 4),
    )


def _picture_offset_ns(pictures: Int64) -> int | None:
    """Return call time less source time: every picture bounds it from above, most also from below."""
    if len(pictures) < MIN_PICTURES:
        return None
    source_ns = pictures[:, _NUMBER] * NS_PER_S // FRAME_RATE_HZ
    highest = int((pictures[:, _TIME] - source_ns).min())
    after = pictures[:, _AFTER]
    known = after != UNKNOWN
    if not known.any():
        return highest
    lowest = int((after[known] - source_ns[known]).max())
    return (lowest + highest) // 2


def _windows(span: tuple[int, int], pictures: Int64, audio: _Audio) -> list[int]:
    """Return by how much the sound is behind the pictures, per window in which both can be placed."""
    errors = []
    step_ns = round(WINDOW_S * NS_PER_S)
    for start_ns in range(span[0], span[1] - step_ns + 1, step_ns):
        inside = (pictures[:, _TIME] >= start_ns) & (pictures[:, _TIME] < start_ns + step_ns)
        video_ns = _picture_offset_ns(pictures[inside])
        if video_ns is not None:
            sound_ns = audio.offset_ns(start_ns, start_ns + step_ns, near_ns=video_ns)
            if sound_ns is not None:
                errors.append(sound_ns - video_ns)
    return errors


class _Audio:
    """The sound that was handed on, laid out on the call's timeline beside the source."""

    def __init__(self, record: Record, clip: Calibration) -> None:
        self._blocks = record.blocks
        self._source = sound(clip.seconds)
        length = 1 + max((sample_at(int(b[0])) + int(b[1]) for b in record.blocks), default=0)
        self._line: Float32 = np.zeros(length, dtype=np.float32)
        self._present = np.zeros(length, dtype=np.bool_)
        position = 0
        for start_ns, count, _, _ in record.blocks.tolist():
            start = sample_at(start_ns)
            self._line[start : start + count] = record.samples[position : position + count]
            self._present[start : start + count] = True
            position += count

    def offset_ns(self, start_ns: int, end_ns: int, *, near_ns: int) -> int | None:
        """Return call time less source time of a stretch; None where too little of it is there or fits."""
        first, end = sample_at(start_ns), min(sample_at(end_ns), len(self._line))
        heard, present = self._line[first:end], self._present[first:end]
        if len(heard) == 0 or present.mean() < MIN_COVERAGE:
            return None
        margin = round(SEARCH_S * SAMPLE_RATE_HZ)
        expected = first - sample_at(near_ns) if near_ns >= 0 else first + sample_at(-near_ns)
        source_first = expected - margin
        source = _cut(self._source, source_first, expected + len(heard) + margin)
        match = _correlation(source, heard, present)
        best = int(match.argmax())
        if match[best] < MIN_CORRELATION:
            return None
        position = source_first + best + _vertex(match, best)
        return start_ns - round(position * NS_PER_S / SAMPLE_RATE_HZ) + _rounding_ns(start_ns, first)

    def coverage(self, span: tuple[int, int]) -> tuple[float, float]:
        """Return the fraction of a span that was handed on, and the fraction of that which is wrong."""
        first, end = sample_at(span[0]), sample_at(span[1])
        present = self._present[first:end]
        covered = float(present.sum()) / max(1, end - first)
        judged = wrong = 0
        step = SAMPLE_RATE_HZ
        for start in range(first, min(end, len(self._line)) - step + 1, step):
            start_ns = start * NS_PER_S // SAMPLE_RATE_HZ
            place_ns = self.offset_ns(start_ns, start_ns + NS_PER_S, near_ns=span[0] - round(SETTLE_S * 1e9))
            shift = None if place_ns is None else round(place_ns * SAMPLE_RATE_HZ / NS_PER_S)
            for block in range(start, start + step, BLOCK_SAMPLES):
                if self._present[block : block + BLOCK_SAMPLES].all():
                    judged += 1
                    wrong += shift is None or not self._fits(block, shift)
        return covered, wrong / judged if judged else 0.0

    def delays_ms(self, span: tuple[int, int], sent: _Curve | None) -> tuple[Float64, Float64]:
        """Return, per block, sent to handed on, and arrived to handed on."""
        blocks = self._blocks[(self._blocks[:, 0] >= span[0]) & (self._blocks[:, 0] < span[1])]
        holds = _holds_ms(blocks[:, 2], blocks[:, 3])
        if sent is None or not len(blocks):
            return np.empty(0), holds
        near_ns = span[0] - round(SETTLE_S * NS_PER_S)
        delays = []
        place_ns: int | None = None
        second = None
        for start_ns, _, _, handed_on_ns in blocks.tolist():
            if second != start_ns // NS_PER_S:
                second = start_ns // NS_PER_S
                place_ns = self.offset_ns(second * NS_PER_S, (second + 1) * NS_PER_S, near_ns=near_ns)
            if place_ns is not None:
                delays.append((handed_on_ns - np.interp(start_ns - place_ns, sent[0], sent[1])) / NS_PER_MS)
        return np.array(delays), holds

    def _fits(self, first: int, shift: int) -> bool:
        heard = self._line[first : first + BLOCK_SAMPLES]
        source = _cut(self._source, first - shift, first - shift + BLOCK_SAMPLES)
        power = float(np.linalg.norm(heard)) * float(np.linalg.norm(source))
        return power > 0 and float(heard @ source) / power >= MIN_BLOCK_CORRELATION


def _correlation(source: Float32, heard: Float32, present: npt.NDArray[np.bool_]) -> Float64:
    """Return the normalised correlation of a stretch with the source at every shift that fits."""
    size = 1 << (len(source) + len(heard) - 1).bit_length()
    length = len(source) - len(heard) + 1
    spectrum = np.fft.rfft(source, size)
    match = np.fft.irfft(spectrum * np.conj(np.fft.rfft(heard, size)), size)[:length]
    mask = np.conj(np.fft.rfft(present.astype(np.float64), size))
    energy = np.fft.irfft(np.fft.rfft(source.astype(np.float64) ** 2, size) * mask, size)[:length]
    power = np.sqrt(np.maximum(energy, 1e-9)) * max(float(np.linalg.norm(heard)), 1e-9)
    return np.asarray(match / power, dtype=np.float64)


def _vertex(values: Float64, best: int) -> float:
    """Return where between the samples the maximum lies, by the parabola through three of them."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, at, after = values[best - 1 : best + 2]
    bend = before - 2 * at + after
    return float(0.5 * (before - after) / bend) if bend else 0.0


def _cut(values: Float32, first: int, end: int) -> Float32:
    """Return ``values[first:end]``, with zeros where there are none."""
    part = np.zeros(end - first, dtype=np.float32)
    low, high = max(first, 0), min(end, len(values))
    if low < high:
        part[low - first : high - first] = values[low:high]
    return part


def _rounding_ns(time_ns: int, sample: int) -> int:
    return sample * NS_PER_S // SAMPLE_RATE_HZ - time_ns


def _first_offset_ns(record: Record, clip: Calibration) -> int:
    """Place the clip by its sound alone."""
    audio = _Audio(record, clip)
    for start_ns in range(0, clip.seconds * NS_PER_S, NS_PER_S):
        place_ns = audio.offset_ns(start_ns, start_ns + NS_PER_S, near_ns=0)
        if place_ns is not None:
            return place_ns
    return 0


def _video_delays_ms(pictures: Int64, sent: _Curve | None) -> Float64:
    if sent is None:
        return np.empty(0)
    sent_ns = np.interp(pictures[:, _NUMBER] * NS_PER_S / FRAME_RATE_HZ, sent[0], sent[1])
    return np.asarray((pictures[:, _HANDED_ON] - sent_ns) / NS_PER_MS, dtype=np.float64)


def _holds_ms(arrivals: Int64, handed_on: Int64) -> Float64:
    known = arrivals != UNKNOWN
    return np.asarray((handed_on[known] - arrivals[known]) / NS_PER_MS, dtype=np.float64)


def _longest_ms(times_ns: Int64) -> float:
    return round(float(np.diff(np.sort(times_ns)).max(initial=0)) / NS_PER_MS, 1)


def _median(values: Float64) -> float | None:
    return _quantile(values, 0.5)


def _quantile(values: Float64, fraction: float) -> float | None:
    return round(float(np.quantile(values, fraction)), 2) if len(values) else None
