"""Writes recordings through a compression profile, with sound and picture on one clock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np

from realtime.errors import MediaError
from realtime.timebase import SAMPLE_RATE_HZ
from realtime.types import Float32, UInt8
from training.tamper.compression import Profile

_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where an encoding goes.

    Attributes:
        path: The file; it appears whole or not at all.
        profile: How it is encoded.
        seed: Where freezes happen.
    """

    path: Path
    profile: Profile
    seed: int


def write_recording(
    outputs: Sequence[Output], frames: Iterable[UInt8], audio: Float32, *, ticks: int
) -> None:
    """Encode pictures and sound, once through each profile; the pictures are taken one by one.

    Args:
        outputs: At least one.
        frames: ``ticks`` pictures at 25 fps, uint8 RGB, shape (height, width, 3), of one even size.
        audio: float32, shape (ticks * 640,), 16 kHz.
        ticks: Number of pictures.

    Raises:
        MediaError: If a file cannot be written or an encoder fails.
    """
    with ExitStack() as stack:
        encoders = [
            _VideoEncoder(stack.enter_context(_opened(output.path)), output, ticks) for output in outputs
        ]
        sounds = [
            _AudioEncoder(encoder.container, output.profile)
            for encoder, output in zip(encoders, outputs, strict=True)
        ]
        for tick, frame in enumerate(frames):
            for encoder in encoders:
                encoder.push(tick, frame)
        for encoder, sound in zip(encoders, sounds, strict=True):
            encoder.finish()
            sound.encode(audio)


def write_with_video_of(control: Path, output: Output, audio: Float32) -> None:
    """Write a file with the encoded pictures of another one, bit for bit, and its own sound.

    Args:
        control: A file written through the same profile.
        output: Where to.
        audio: float32, 16 kHz.

    Raises:
        MediaError: If a file cannot be read or written.
    """
    try:
        with av.open(str(control)) as source, _opened(output.path) as container:
            pictures = source.streams.video[0]
            copy = container.add_stream_from_template(pictures)
            sound = _AudioEncoder(container, output.profile)
            for packet in source.demux(pictures):
                if packet.dts is not None:
                    packet.stream = copy
                    container.mux(packet)
            sound.encode(audio)
    except av.error.FFmpegError as error:
        raise MediaError(
            f"The pictures of {control} cannot be copied.", fix="Write that file again."
        ) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[av.container.OutputContainer]:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with av.open(str(partial), "w", options={"fflags": "+bitexact"}) as container:
            yield container
        partial.replace(path)
    except (OSError, av.error.FFmpegError) as error:
        raise MediaError(
            f"{path} cannot be written: {error}.",
            fix="Choose a folder with free space that you may write to.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


class _VideoEncoder:
    """Encodes pictures by a profile's schedule into a container."""

    def __init__(self, container: av.container.OutputContainer, output: Output, ticks: int) -> None:
        profile = output.profile
        self.container = container
        self._scale = profile.scale
        self._schedule = profile.schedule(ticks, output.seed)
        self._time_base = Fraction(1, profile.frame_rate)
        self._next = 0
        self._stream = cast(
            av.VideoStream,
            container.add_stream(
                profile.video_codec, rate=profile.frame_rate, options=dict(profile.video_options)
            ),
        )
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        if profile.video_bit_rate is not None:
            self._stream.codec_context.bit_rate = profile.video_bit_rate

    def push(self, tick: int, image: UInt8) -> None:
        """Take the picture of the next tick."""
        if tick == 0:
            self._stream.height, self._stream.width = (_even(self._scale * side) for side in image.shape[:2])
        if self._next >= len(self._schedule) or self._schedule[self._next] != tick:
            return
        if self._scale != 1.0:
            size = self._stream.width, self._stream.height
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.time_base = self._time_base
        while self._next < len(self._schedule) and self._schedule[self._next] == tick:
            frame.pts = self._next
            self.container.mux(self._stream.encode(frame))
            self._next += 1

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self.container.mux(self._stream.encode(None))


class _AudioEncoder:
    """Encodes sound by a profile into a container."""

    def __init__(self, container: av.container.OutputContainer, profile: Profile) -> None:
        self._container = container
        self._rate_hz = profile.audio_rate_hz
        self._stream = cast(
            av.AudioStream,
            container.add_stream(
                profile.audio_codec,
                rate=profile.audio_rate_hz,
                layout="mono",
                options=dict(profile.audio_options),
            ),
        )
        self._stream.codec_context.bit_rate = profile.audio_bit_rate

    def encode(self, audio: Float32) -> None:
        """Encode all of it."""
        stream = self._stream
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name, layout="mono", rate=self._rate_hz
        )
        for first in range(0, len(audio), _BLOCK_SAMPLES):
            block = np.ascontiguousarray(audio[None, first : first + _BLOCK_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, first
            frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
            for part in resampler.resample(frame):
                self._container.mux(stream.encode(part))
        for part in resampler.resample(None):
            self._container.mux(stream.encode(part))
        self._container.mux(stream.encode(None))


def _even(side: float) -> int:
    return 2 * round(side / 2)
