"""From what a receiver handed on to figures: alignment, gaps, corruption, delay, cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from bench.network.calibration import FRAME_RATE_HZ, Calibration
from bench.network.meter import UNKNOWN, Int64, Record
from bench.network.sound_line import Float64, SoundLine
from realtime.timebase import NS_PER_MS, NS_PER_S

#: What lies before this in the clip is not judged: the connection stands and sender reports have come.
SETTLE_S = 4.0
#: What lies nearer to the clip's end is not judged: it may be on its way when the session ends.
TAIL_S = 1.5
#: What is placed further than this behind the clip's length is not on the call's timeline any more.
MISPLACED_S = 60
WINDOW_NS = NS_PER_S
MIN_PICTURES = 8
#: Pictures bound their own place from both sides; where they are few, those of the seconds around help.
MAX_HALF_WIDTH_NS = 2 * NS_PER_MS
AROUND_NS = 2 * NS_PER_S

_TIME, _AFTER, _NUMBER, _WRONG, _ARRIVAL, _HANDED_ON, _REPORTS = range(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFigures:
    """The pictures of one run. Times in ms; None where nothing was there to measure.

    Attributes:
        gap: Longest stretch of the call's timeline without a new, undamaged picture.
        freeze: Longest wait between two such pictures, by the clock.
        missing: Fraction of the clip's pictures that were not handed on.
        corrupt: Pictures handed on whose number or cells are wrong.
        pictures: New pictures handed on.
        delay: Sent to handed on, median.
        delay_p95: The same, 95th percentile.
        hold: Last packet's arrival to handed on, median; None where the receiver does not tell arrivals.
    """

    gap: float
    freeze: float
    missing: float
    corrupt: int
    pictures: int
    delay: float | None
    delay_p95: float | None
    hold: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFigures:
    """The sound of one run. Times in ms; None where nothing was there to measure.

    Attributes:
        missing: Fraction that was not handed on.
        lost_by_link: Fraction of its packets that the link lost, in the same stretch.
        wrong: Fraction of what was handed on that is not the clip's at that place.
        delay: Sent to handed on, median.
        delay_p95: The same, 95th percentile.
        hold: Packet's arrival to handed on, median; None where the receiver does not tell arrivals.
    """

    missing: float
    lost_by_link: float | None
    wrong: float
    delay: float | None
    delay_p95: float | None
    hold: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One receiver, one run.

    Attributes:
        alignment: By how many ms the sound is behind its picture, median over windows of a second; None
            where there is no window with both.
        alignment_error_p95: 95th percentile of its absolute value.
        alignment_error_with_reports_p95: The same where the receiver knew sender reports of both tracks; None
            where it did not, or does not say.
        alignment_error_before_reports: The largest before that, from the first second of the clip.
        video: The pictures.
        audio: The sound.
        cores: Processor seconds of the receiver for a second of media, the meter's taken off.
        cores_per_delivered: The same for a second of media that was handed on; sound counts like pictures.
    """

    alignment: float | None
    alignment_error_p95: float | None
    alignment_error_with_reports_p95: float | None
    alignment_error_before_reports: float | None
    video: VideoFigures
    audio: AudioFigures
    cores: float
    cores_per_delivered: float | None


@dataclass(frozen=True, slots=True)
class _Window:
    """A second of call time, and call time less source time of both tracks where it can be told.

    ``knows_reports`` is 1 if the receiver knew sender reports of both tracks all the time, else 0 or UNKNOWN.
    """

    start_ns: int
    video_ns: int | None
    sound_ns: int | None
    knows_reports: int

    @property
    def error_ms(self) -> float | None:
        if self.sound_ns is None or self.video_ns is None:
            return None
        return (self.sound_ns - self.video_ns) / NS_PER_MS


def judge(record: Record, clip: Calibration, sent: Mapping[str, Sequence[Sequence[int]]]) -> Figures:
    """Judge what lies between ``SETTLE_S`` and the last ``TAIL_S`` of the clip.

    Args:
        record: What the receiver handed on.
        clip: What was sent.
        sent: For "audio" and "video", what ``SendTimes.curves`` tells, by the record's clock.
    """
    end_ns = (clip.seconds + MISPLACED_S) * NS_PER_S
    pictures = record.pictures[record.pictures[:, _TIME] < end_ns]
    line = SoundLine(record, seconds=clip.seconds, end_ns=end_ns)
    whole = pictures[(pictures[:, _NUMBER] >= 0) & (pictures[:, _WRONG] == 0)]
    source_s = whole[:, _NUMBER] / FRAME_RATE_HZ
    good = whole[(source_s >= SETTLE_S) & (source_s <= clip.seconds - TAIL_S)]
    place_ns = _place_of_all(good, line, clip)
    span = (round(SETTLE_S * NS_PER_S) + place_ns, round((clip.seconds - TAIL_S) * NS_PER_S) + place_ns)
    windows = _windows(span, good, line, place_ns)
    errors = _errors_ms(windows)
    first = _windows((place_ns, span[0]), whole, line, place_ns) + windows
    video = _video(pictures, good, clip, span, sent.get("video"))
    audio = _audio(record.blocks, line, clip, windows, sent.get("audio"))
    cores = record.cpu_ns / NS_PER_S / max(record.seconds, 1e-9)
    delivered = 1 - (video.missing + audio.missing) / 2
    return Figures(
        alignment=_quantile(errors, 0.5),
        alignment_error_p95=_quantile(np.abs(errors), 0.95),
        alignment_error_with_reports_p95=_quantile(np.abs(_errors_ms(windows, knows_reports=1)), 0.95),
        alignment_error_before_reports=_quantile(np.abs(_errors_ms(first, knows_reports=0)), 1.0),
        video=video,
        audio=audio,
        cores=round(cores, 4),
        cores_per_delivered=round(cores / delivered, 4) if delivered > 0 else None,
    )


def _errors_ms(windows: Sequence[_Window], *, knows_reports: int | None = None) -> Float64:
    chosen = (window for window in windows if knows_reports in (None, window.knows_reports))
    return np.array([window.error_ms for window in chosen if window.error_ms is not None], dtype=np.float64)


def _place_of_all(pictures: Int64, line: SoundLine, clip: Calibration) -> int:
    """Return call time less source time, by the pictures, or else by the first sound that can be placed."""
    by_pictures = _place_of_pictures(pictures)
    if by_pictures is not None:
        return by_pictures
    for start_ns in range(0, clip.seconds * NS_PER_S, WINDOW_NS):
        by_sound = line.place_ns(start_ns, start_ns + WINDOW_NS, near_ns=0)
        if by_sound is not None:
            return by_sound
    return 0


def _place_of_pictures(pictures: Int64) -> int | None:
    """Return call time less source time: every picture bounds it from above, most also from below.

    None where the bounds are too far apart, because pictures are missing.
    """
    if len(pictures) < MIN_PICTURES:
        return None
    source_ns = pictures[:, _NUMBER] * NS_PER_S // FRAME_RATE_HZ
    highest = int((pictures[:, _TIME] - source_ns).min())
    after = pictures[:, _AFTER]
    known = after != UNKNOWN
    if not known.any():
        return highest
    lowest = int((after[known] - source_ns[known]).max())
    return None if highest - lowest > 2 * MAX_HALF_WIDTH_NS else (lowest + highest) // 2


def _windows(span: tuple[int, int], pictures: Int64, line: SoundLine, place_ns: int) -> list[_Window]:
    windows = []
    for start_ns in range(span[0], span[1] - WINDOW_NS + 1, WINDOW_NS):
        sound_ns = line.place_ns(start_ns, start_ns + WINDOW_NS, near_ns=place_ns)
        shown = _between(pictures, start_ns, start_ns + WINDOW_NS)
        video_ns = _place_of_pictures(shown)
        if video_ns is None:
            shown = _between(pictures, start_ns - AROUND_NS, start_ns + WINDOW_NS + AROUND_NS)
            video_ns = _place_of_pictures(shown)
        knows_reports = int(shown[:, _REPORTS].min(initial=1)) if len(shown) else UNKNOWN
        windows.append(_Window(start_ns, video_ns, sound_ns, knows_reports))
    return windows


def _between(pictures: Int64, start_ns: int, end_ns: int) -> Int64:
    return pictures[(pictures[:, _TIME] >= start_ns) & (pictures[:, _TIME] < end_ns)]


def _video(
    pictures: Int64,
    good: Int64,
    clip: Calibration,
    span: tuple[int, int],
    sent: Sequence[Sequence[int]] | None,
) -> VideoFigures:
    inside = pictures[(pictures[:, _TIME] >= span[0]) & (pictures[:, _TIME] < span[1])]
    wanted = math.floor((clip.seconds - TAIL_S) * FRAME_RATE_HZ) - math.ceil(SETTLE_S * FRAME_RATE_HZ) + 1
    captured_ns = good[:, _NUMBER] * NS_PER_S // FRAME_RATE_HZ
    delays = _delays_ms(captured_ns, good[:, _HANDED_ON], sent)
    return VideoFigures(
        gap=_longest_ms(np.concatenate(([span[0]], np.clip(good[:, _TIME], *span), [span[1]]))),
        freeze=_longest_ms(good[:, _HANDED_ON]),
        missing=round(1 - len(np.unique(good[:, _NUMBER])) / wanted, 4),
        corrupt=int(((inside[:, _NUMBER] == UNKNOWN) | (inside[:, _WRONG] > 0)).sum()),
        pictures=len(inside),
        delay=_quantile(delays, 0.5),
        delay_p95=_quantile(delays, 0.95),
        hold=_quantile(_holds_ms(good[:, _ARRIVAL], good[:, _HANDED_ON]), 0.5),
    )


def _audio(
    blocks: Int64,
    line: SoundLine,
    clip: Calibration,
    windows: Sequence[_Window],
    sent: Sequence[Sequence[int]] | None,
) -> AudioFigures:
    places = [window.sound_ns for window in windows if window.sound_ns is not None]
    usual_ns = round(median(places)) if places else 0
    whole = wrong = 0
    delays: list[Float64] = [np.empty(0)]
    holds: list[Float64] = [np.empty(0)]
    for window in windows:
        end_ns = window.start_ns + WINDOW_NS
        place_ns = usual_ns if window.sound_ns is None else window.sound_ns
        counts = line.wrong_blocks(window.start_ns, end_ns, place_ns)
        whole, wrong = whole + counts[0], wrong + counts[1]
        own = blocks[(blocks[:, 0] >= window.start_ns) & (blocks[:, 0] < end_ns)]
        delays.append(_delays_ms(own[:, 0] - place_ns, own[:, 3], sent))
        holds.append(_holds_ms(own[:, 2], own[:, 3]))
    covered = [line.coverage(window.start_ns, window.start_ns + WINDOW_NS) for window in windows]
    return AudioFigures(
        missing=round(1 - sum(covered) / len(covered), 4),
        lost_by_link=_lost_by_link(clip, sent),
        wrong=round(wrong / whole, 4) if whole else 0.0,
        delay=_quantile(np.concatenate(delays), 0.5),
        delay_p95=_quantile(np.concatenate(delays), 0.95),
        hold=_quantile(np.concatenate(holds), 0.5),
    )


def _lost_by_link(clip: Calibration, sent: Sequence[Sequence[int]] | None) -> float | None:
    if sent is None:
        return None
    media_s = np.array(sent[0]) / NS_PER_S
    lost = np.array(sent[2])[(media_s >= SETTLE_S) & (media_s < clip.seconds - TAIL_S)]
    return round(float(lost.mean()), 4) if len(lost) else None


def _delays_ms(captured_ns: Int64, handed_on_ns: Int64, sent: Sequence[Sequence[int]] | None) -> Float64:
    if sent is None:
        return np.empty(0)
    sent_ns = np.interp(captured_ns, np.array(sent[0]), np.array(sent[1]))
    return np.asarray((handed_on_ns - sent_ns) / NS_PER_MS, dtype=np.float64)


def _holds_ms(arrivals: Int64, handed_on: Int64) -> Float64:
    known = arrivals != UNKNOWN
    return np.asarray((handed_on[known] - arrivals[known]) / NS_PER_MS, dtype=np.float64)


def _longest_ms(times_ns: Int64) -> float:
    return round(float(np.diff(np.sort(times_ns)).max(initial=0)) / NS_PER_MS, 1)


def _quantile(values: Float64, fraction: float) -> float | None:
    return round(float(np.quantile(values, fraction)), 2) if len(values) else None
