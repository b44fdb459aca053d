"""The sound that was handed on, laid out on the call's timeline beside the clip's. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.network.calibration import sound
from bench.network.meter import Record
from realtime.timebase import NS_PER_S, SAMPLE_RATE_HZ, sample_at
from realtime.types import Float32

SEARCH_S = 1.5
MIN_COVERAGE = 0.5
MIN_CORRELATION = 0.4
BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
MIN_BLOCK_CORRELATION = 0.3

Float64 = npt.NDArray[np.float64]


class SoundLine:
    """What was heard when.

    Args:
        record: What the receiver handed on.
        seconds: Length of the clip.
        end_ns: Call time after which nothing is looked at.
    """

    def __init__(self, record: Record, *, seconds: int, end_ns: int) -> None:
        self._source = sound(seconds)
        length = max(0, sample_at(end_ns))
        self._line: Float32 = np.zeros(length, dtype=np.float32)
        self._present = np.zeros(length, dtype=np.bool_)
        position = 0
        for start_ns, count, _, _ in record.blocks.tolist():
            start = min(sample_at(start_ns), length)
            kept = min(count, length - start)
            self._line[start : start + kept] = record.samples[position : position + kept]
            self._present[start : start + kept] = True
            position += count

    def coverage(self, start_ns: int, end_ns: int) -> float:
        """Return the fraction of a span that was handed on."""
        first, end = sample_at(start_ns), sample_at(end_ns)
        return float(self._present[first:end].sum()) / max(1, end - first)

    def place_ns(self, start_ns: int, end_ns: int, *, near_ns: int) -> int | None:
        """Return call time less source time of a stretch; None where too little of it is there or fits.

        Args:
            start_ns: Call time of its start.
            end_ns: Call time of its end.
            near_ns: Where to look: call time less source time, to ``SEARCH_S``.
        """
        first, end = sample_at(start_ns), min(sample_at(end_ns), len(self._line))
        heard, present = self._line[first:end], self._present[first:end]
        if len(heard) == 0 or present.mean() < MIN_COVERAGE:
            return None
        margin = round(SEARCH_S * SAMPLE_RATE_HZ)
        source_first = first - round(near_ns * SAMPLE_RATE_HZ / NS_PER_S) - margin
        match = _correlation(_cut(self._source, source_first, len(heard) + 2 * margin), heard, present)
        best = int(match.argmax())
        if match[best] < MIN_CORRELATION:
            return None
        position = source_first + best + _vertex(match, best)
        return round((first - position) * NS_PER_S / SAMPLE_RATE_HZ)

    def wrong_blocks(self, start_ns: int, end_ns: int, place_ns: int) -> tuple[int, int]:
        """Return how many whole blocks of 20 ms were handed on, and how many are not the clip's there."""
        shift = round(place_ns * SAMPLE_RATE_HZ / NS_PER_S)
        whole = wrong = 0
        for first in range(sample_at(start_ns), sample_at(end_ns) - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
            present = self._present[first : first + BLOCK_SAMPLES]
            if len(present) == BLOCK_SAMPLES and present.all():
                whole += 1
                source = _cut(self._source, first - shift, BLOCK_SAMPLES)
                wrong += not _resembles(self._line[first : first + BLOCK_SAMPLES], source)
        return whole, wrong


def _resembles(heard: Float32, source: Float32) -> bool:
    power = float(np.linalg.norm(heard)) * float(np.linalg.norm(source))
    return power > 0 and float(heard @ source) / power >= MIN_BLOCK_CORRELATION


def _correlation(source: Float32, heard: Float32, present: npt.NDArray[np.bool_]) -> Float64:
    """Return the normalised correlation of a stretch with the source at every shift that fits."""
    size = 1 << (len(source) + len(heard) - 1).bit_length()
    length = len(source) - len(heard) + 1
    match = np.fft.irfft(np.fft.rfft(source, size) * np.conj(np.fft.rfft(heard, size)), size)[:length]
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


def _cut(values: Float32, first: int, count: int) -> Float32:
    """Return ``values[first : first + count]``, with zeros where there are none."""
    part = np.zeros(count, dtype=np.float32)
    low, high = max(first, 0), min(first + count, len(values))
    if low < high:
        part[low - first : high - first] = values[low:high]
    return part
