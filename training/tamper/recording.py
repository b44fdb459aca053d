"""Recordings in memory: pictures on the 25 fps grid, and sound that starts with the first of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from engines.frontend.picture import Picture
from realtime.errors import MediaError
from realtime.timebase import FRAME_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import Float32, UInt8, read_only
from training.data.decode import read_pictures, read_sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A stretch of one person speaking.

    Attributes:
        name: What the ground truth calls it, usually the file name.
        frames: T pictures at 25 fps, uint8 RGB, shape (height, width, 3), all of one even size.
        audio: float32, shape (T * 640,): mono at 16 kHz, in [-1, 1].
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
            audio=self.audio[first_tick * SAMPLES_PER_TICK : end_tick * SAMPLES_PER_TICK],
            cuts=(0, *inner),
        )


def read_recording(
    path: Path, *, max_seconds: float | None = None, max_width_px: int | None = None
) -> Recording:
    """Read a clip; on the grid that the monitor uses.

    Args:
        path: Any container and codec that FFmpeg reads.
        max_seconds: What comes later is left out.
        max_width_px: Wider pictures are scaled down.

    Raises:
        MediaError: If it cannot be read, or lacks pictures or sound.
    """
    if not path.is_file():
        raise MediaError(f"{path} is not a file.", fix="Check the path.")
    max_ticks = None if max_seconds is None else max(1, round(max_seconds * FRAME_RATE_HZ))
    frames = _pictures(path, max_ticks, max_width_px)
    if not frames:
        raise MediaError(f"No picture of {path} can be decoded.", fix="Check that the file plays elsewhere.")
    return Recording(name=path.name, frames=frames, audio=_sound(path, len(frames) * SAMPLES_PER_TICK))


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


def _pictures(path: Path, max_ticks: int | None, max_width_px: int | None) -> list[UInt8]:
    """Return the picture of every tick; one that is missing is filled by its neighbour."""
    frames: list[UInt8] = []
    missing_at_start = 0
    shown: Picture | None = None
    scaled: UInt8 | None = None
    for picture in itertools.islice(read_pictures(path), max_ticks):
        if picture.image is not None and picture.image is not shown:
            shown, scaled = picture.image, _even(picture.image.rgb(), max_width_px)
        if scaled is None:
            missing_at_start += 1
        else:
            frames.append(scaled)
    return [frames[0]] * missing_at_start + frames if frames else []


def _even(image: UInt8, max_width_px: int | None) -> UInt8:
    """Scale a wide picture down, and cut odd sides, since the codecs need even ones."""
    height, width = image.shape[:2]
    if max_width_px is not None and width > max_width_px:
        size = max_width_px // 2 * 2, round(height * max_width_px / width / 2) * 2
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = image.shape[:2]
    return read_only(np.ascontiguousarray(image[: height // 2 * 2, : width // 2 * 2]))


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


def _sound(path: Path, samples: int) -> Float32:
    """Return the sound as one array; holes are silence."""
    sound = np.zeros(samples, np.float32)
    for segment in read_sound(path):
        part = sound[segment.start_sample : segment.end_sample]
        part[:] = segment.samples[: len(part)]
    return read_only(sound)
