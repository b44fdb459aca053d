"""Recordings in memory: pictures on the 25 fps grid, and sound that starts with the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from realtime.errors import MediaError
from realtime.timebase import FRAME_RATE_HZ
from realtime.types import Float32, UInt8, read_only

AUDIO_RATE_HZ: Final = 48_000
SAMPLES_PER_FRAME: Final = AUDIO_RATE_HZ // FRAME_RATE_HZ

_DEFAULT_FRAME_RATE: Final = 25
_HOLE_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A stretch of one person speaking.

    Attributes:
        name: What the ground truth calls it, usually the file name.
        frames: T pictures at 25 fps, uint8 RGB, shape (height, width, 3), all of one even size.
        audio: float32, shape (T * 1920,): mono at 48 kHz, in [-1, 1].
        cuts: Ticks at which another scene starts, in order; the first is 0.
    """

    name: str
    frames: Sequence[UInt8]
    audio: Float32
    cuts: tuple[int, ...] = (0,)

    @property
    def ticks(self) -> int:
        """Number of pictures."""
        return len(self.frames)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.ticks / FRAME_RATE_HZ

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        height, width = self.frames[0].shape[:2]
        return width, height

    @property
    def scenes(self) -> tuple[tuple[int, int], ...]:
        """First and end tick of each scene."""
        return tuple(zip(self.cuts, (*self.cuts[1:], self.ticks), strict=True))

    def part(self, first_tick: int, end_tick: int) -> Recording:
        """Return the ticks ``[first_tick, end_tick)``."""
        inner = (cut - first_tick for cut in self.cuts if first_tick < cut < end_tick)
        return replace(
            self,
            frames=self.frames[first_tick:end_tick],
            audio=self.audio[first_tick * SAMPLES_PER_FRAME : end_tick * SAMPLES_PER_FRAME],
            cuts=(0, *inner),
        )


def read_recording(
    path: Path, *, max_seconds: float | None = None, max_width_px: int | None = None
) -> Recording:
    """Read a clip; time zero is its first picture, and each tick shows the picture nearest in time.

    Args:
        path: Any container and codec that FFmpeg reads.
        max_seconds: What comes later is left out.
        max_width_px: Wider pictures are scaled down.

    Raises:
        MediaError: If it cannot be read, or lacks pictures or sound.
    """
    if not path.is_file():
        raise MediaError(f"{path} is not a file.", fix="Check the path.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video or not container.streams.audio:
                raise MediaError(
                    f"{path} lacks a video or an audio track.", fix="Use a clip with picture and sound."
                )
            decoded = list(container.decode(video=0, audio=0))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be decoded.", fix="Check that it plays elsewhere.") from error
    pictures = [frame for frame in decoded if isinstance(frame, av.VideoFrame) and frame.time is not None]
    blocks = [frame for frame in decoded if isinstance(frame, av.AudioFrame) and frame.time is not None]
    if not pictures or not blocks:
        raise MediaError(f"{path} holds no decodable picture or sound.", fix="Check that it plays elsewhere.")
    start_s = min(_time_s(frame) for frame in pictures)
    frames = _frames_on_grid(pictures, start_s, max_seconds, max_width_px)
    return Recording(
        name=path.name, frames=frames, audio=_audio_from(blocks, start_s, len(frames) * SAMPLES_PER_FRAME)
    )


def join(name: str, recordings: Iterable[Recording], *, max_ticks: int) -> Recording:
    """Set recordings of one person one after the other, with hard cuts, in the size of the first.

    Args:
        name: Name of the result.
        recordings: At least one; as many as are needed are used.
        max_ticks: Length at which the result is cut.
    """
    frames: list[UInt8] = []
    audio: list[Float32] = []
    cuts: list[int] = []
    size: tuple[int, int] | None = None
    for recording in recordings:
        size = size or recording.size
        cuts.append(len(frames))
        frames += [_fitted(frame, size) for frame in recording.frames]
        audio.append(recording.audio)
        if len(frames) >= max_ticks:
            break
    whole = Recording(name=name, frames=frames, audio=np.concatenate(audio), cuts=tuple(cuts))
    return whole.part(0, min(max_ticks, whole.ticks))


def _time_s(frame: av.VideoFrame | av.AudioFrame) -> float:
    return float(frame.time or 0.0)


def _frames_on_grid(
    pictures: Sequence[av.VideoFrame], start_s: float, max_seconds: float | None, max_width_px: int | None
) -> list[UInt8]:
    ordered = sorted(pictures, key=_time_s)
    times_s = np.array([_time_s(frame) for frame in ordered]) - start_s
    typical_s = float(np.median(np.diff(times_s))) if len(ordered) > 1 else 1 / _DEFAULT_FRAME_RATE
    ticks = max(1, round((float(times_s[-1]) + typical_s) * FRAME_RATE_HZ))
    if max_seconds is not None:
        ticks = min(ticks, max(1, round(max_seconds * FRAME_RATE_HZ)))
    borders_s = (times_s[1:] + times_s[:-1]) / 2
    chosen = np.searchsorted(borders_s, np.arange(ticks) / FRAME_RATE_HZ, side="right")
    converted = {index: _upright_rgb(ordered[index], max_width_px) for index in np.unique(chosen)}
    size = converted[chosen[0]].shape[1], converted[chosen[0]].shape[0]
    return [_fitted(converted[index], size) for index in chosen]


def _upright_rgb(frame: av.VideoFrame, max_width_px: int | None) -> UInt8:
    """Convert a picture; odd sides lose a line, since the codecs need even ones."""
    rgb = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
    height, width = rgb.shape[:2]
    if max_width_px is not None and width > max_width_px:
        size = max_width_px // 2 * 2, round(height * max_width_px / width / 2) * 2
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        height, width = rgb.shape[:2]
    return read_only(np.ascontiguousarray(rgb[: height // 2 * 2, : width // 2 * 2], dtype=np.uint8))


def _fitted(frame: UInt8, size: tuple[int, int]) -> UInt8:
    """Scale a picture into a size, keeping its proportions, and fill the rest with its border."""
    width, height = size
    if frame.shape[:2] == (height, width):
        return frame
    scale = min(width / frame.shape[1], height / frame.shape[0])
    inner = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    scaled = cv2.resize(frame, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    right, bottom = width - inner[0] - left, height - inner[1] - top
    padded = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return read_only(np.asarray(padded, np.uint8))


def _audio_from(blocks: Sequence[av.AudioFrame], start_s: float, samples: int) -> Float32:
    """Place decoded sound on the timeline; holes become silence."""
    audio = np.zeros(samples, np.float32)
    run: list[av.AudioFrame] = []
    run_end_s = 0.0
    for block in blocks:
        if run and abs(_time_s(block) - run_end_s) > _HOLE_S:
            _place(audio, run, start_s)
            run, run_end_s = [], 0.0
        run_end_s = (run_end_s if run else _time_s(block)) + block.samples / block.sample_rate
        run.append(block)
    _place(audio, run, start_s)
    return read_only(audio)


def _place(audio: Float32, run: Sequence[av.AudioFrame], start_s: float) -> None:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE_HZ)
    parts = [part for block in run for part in resampler.resample(block)] + resampler.resample(None)
    sound = np.concatenate([np.asarray(part.to_ndarray(), np.float32).reshape(-1) for part in parts])
    first = round((_time_s(run[0]) - start_s) * AUDIO_RATE_HZ)
    begin, end = max(0, first), min(len(audio), first + len(sound))
    if begin < end:
        audio[begin:end] = np.clip(np.nan_to_num(sound[begin - first : end - first]), -1.0, 1.0)
