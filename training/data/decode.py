"""A clip's pictures on the 25 fps grid and its sound at 16 kHz; time zero is the container's start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.stream import Disposition, Stream

from engines.frontend.decoded import upright_picture
from engines.frontend.picture import Picture
from realtime.errors import MediaError
from realtime.timebase import (
    NS_PER_MS,
    NS_PER_S,
    SAMPLE_RATE_HZ,
    sample_at,
    tick_time_ns,
)
from realtime.types import Float32, GapReason, VideoFrame

HOLD_NS: Final = 200 * NS_PER_MS
JITTER_TOLERANCE_NS: Final = 20 * NS_PER_MS
_DEFAULT_FRAME_RATE: Final = 25

_TRY_ELSEWHERE: Final = "Check that the file plays elsewhere."


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a file says about its pictures: rate in Hz, size in px."""

    fps: float
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSegment:
    """A run of sound without a hole.

    Attributes:
        start_sample: Index of its first sample on the 16 kHz axis, >= 0.
        samples: float32, shape (n,), mono, in [-1, 1].
    """

    start_sample: int
    samples: Float32

    @property
    def end_sample(self) -> int:
        """One past its last sample."""
        return self.start_sample + len(self.samples)


def video_facts(path: Path) -> VideoFacts:
    """Return what a file says about its pictures.

    Raises:
        MediaError: If it cannot be opened or has none.
    """
    with _opened(path, "video") as (_, stream):
        rate = stream.average_rate or stream.guessed_rate or _DEFAULT_FRAME_RATE
        return VideoFacts(fps=float(rate), width=stream.width, height=stream.height)


def read_pictures(path: Path) -> Iterator[VideoFrame]:
    """Yield one frame a tick: the newest picture at or before it, held for at most ``HOLD_NS``.

    Raises:
        MediaError: If the file cannot be opened, has no pictures or none that can be decoded.
    """
    held: _Picture | None = None
    tick, end_ns = 0, 0
    for time_ns, duration_ns, frame in _decoded(path, "video"):
        end_ns = max(end_ns, time_ns + duration_ns)
        if held is not None and time_ns < held.time_ns:
            continue
        while tick_time_ns(tick) < time_ns:
            yield _at(tick, held)
            tick += 1
        held = _Picture(time_ns, frame)
    if held is None:
        raise MediaError(f"No picture of {path} can be decoded.", fix=_TRY_ELSEWHERE)
    while tick_time_ns(tick) < end_ns:
        yield _at(tick, held)
        tick += 1


def read_sound(path: Path) -> list[AudioSegment]:
    """Return the sound as 16 kHz mono, one segment where it has no holes.

    Raises:
        MediaError: If the file cannot be opened, has no sound or none that can be decoded.
    """
    segments: list[AudioSegment] = []
    line: _AudioLine | None = None
    for time_ns, duration_ns, frame in _decoded(path, "audio"):
        source = (frame.sample_rate, frame.layout.name, frame.format.name)
        if line is None or line.source != source or abs(time_ns - line.end_ns) > JITTER_TOLERANCE_NS:
            if line is not None:
                segments += line.finish()
            line = _AudioLine(time_ns, source)
        line.push(frame, duration_ns)
    if line is not None:
        segments += line.finish()
    if not segments:
        raise MediaError(f"No sound of {path} can be decoded.", fix=_TRY_ELSEWHERE)
    return segments


class _Picture:
    """A decoded picture, converted once and only where a tick shows it."""

    def __init__(self, time_ns: int, frame: av.VideoFrame) -> None:
        self.time_ns = time_ns
        self._frame = frame
        self._upright: Picture | None = None

    def upright(self) -> Picture:
        """Return the picture, its display rotation applied to the nearest quarter turn."""
        if self._upright is None:
            self._upright = upright_picture(self._frame)
        return self._upright


def _at(tick: int, held: _Picture | None) -> VideoFrame:
    if held is None:
        return VideoFrame(tick=tick, image=None, gap=GapReason.NO_TRACK)
    if tick_time_ns(tick) - held.time_ns > HOLD_NS:
        return VideoFrame(tick=tick, image=None, gap=GapReason.LOSS)
    return VideoFrame(tick=tick, image=held.upright())


class _AudioLine:
    """Resamples one segment; its samples are counted from its start, not timed."""

    def __init__(self, start_ns: int, source: tuple[int, str, str]) -> None:
        self.source = source
        self.end_ns = start_ns
        self._start_ns = start_ns
        self._resampler = AudioResampler(
            format="flt", layout="mono", rate=SAMPLE_RATE_HZ, options={"rematrix_maxval": "1.0"}
        )
        self._blocks: list[Float32] = []

    def push(self, frame: av.AudioFrame, duration_ns: int) -> None:
        self.end_ns += duration_ns
        self._take(frame)

    def finish(self) -> list[AudioSegment]:
        """Return the segment less what lies before time zero; nothing where nothing is left."""
        self._take(None)
        start = sample_at(self._start_ns)
        samples = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
        samples = samples[max(0, -start) :]
        if not len(samples):
            return []
        return [AudioSegment(start_sample=max(0, start), samples=samples)]

    def _take(self, frame: av.AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            block = np.array(resampled.to_ndarray(), np.float32).reshape(-1)
            np.nan_to_num(block, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
            self._blocks.append(np.clip(block, -1.0, 1.0, out=block))


def _decoded(path: Path, kind: Literal["audio", "video"]) -> Iterator[tuple[int, int, Any]]:
    """Yield (time, duration, frame) of one stream; what cannot be decoded is left out."""
    with _opened(path, kind) as (container, stream):
        start_ns = (container.start_time or 0) * (NS_PER_S // av.time_base)
        stream.codec_context.thread_count = 1
        end_ns = 0
        for frame in _frames(container, stream):
            time_ns = end_ns
            if frame.pts is not None:
                time_ns = int(frame.pts * (frame.time_base or 0) * NS_PER_S) - start_ns
            duration_ns = _duration_ns(frame, stream)
            end_ns = max(end_ns, time_ns + duration_ns)
            yield time_ns, duration_ns, frame


def _frames(container: InputContainer, stream: Any) -> Iterator[Any]:
    """Yield decoded frames up to the end of the file, or to where it breaks off."""
    with contextlib.suppress(av.FFmpegError, OSError):
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            yield from frames


def _duration_ns(frame: Any, stream: Any) -> int:
    if isinstance(frame, av.AudioFrame):
        return frame.samples * NS_PER_S // frame.sample_rate
    return int(NS_PER_S / (stream.guessed_rate or stream.average_rate or _DEFAULT_FRAME_RATE))


@contextlib.contextmanager
def _opened(path: Path, kind: Literal["audio", "video"]) -> Iterator[tuple[InputContainer, Any]]:
    try:
        container = av.open(
            f"file:{path}",
            mode="r",
            container_options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} is not a media file that can be read.", fix=_TRY_ELSEWHERE) from error
    with container:
        stream = next((found for found in container.streams if found.type == kind and _usable(found)), None)
        if stream is None:
            wanted = "pictures" if kind == "video" else "sound"
            raise MediaError(f"{path} has no {wanted}.", fix="Use clips with a face and a voice.")
        yield container, stream


def _usable(stream: Stream) -> bool:
    still = bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
    return getattr(stream, "codec_context", None) is not None and not still
