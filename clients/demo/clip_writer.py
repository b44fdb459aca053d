"""Writes a clip of constant 25 fps pictures and 16 kHz mono sound; the file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from realtime.errors import MediaError
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TICK
from realtime.types import Float32, UInt8

Tick = tuple[UInt8, Float32]
"""One picture and the 40 ms of sound that belong to it."""

_FORMATS = (
    (".mp4", "libx264", "aac", {"preset": "veryfast", "crf": "21"}),
    (".webm", "libvpx", "libopus", {"deadline": "realtime", "cpu-used": "6", "b": "1500k"}),
)


def _has_encoder(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except av.error.FFmpegError:
        return False
    return True


def _pick_format() -> tuple[str, str, str, dict[str, str]]:
    for candidate in _FORMATS:
        if _has_encoder(candidate[1]) and _has_encoder(candidate[2]):
            return candidate
    raise MediaError(
        "The installed PyAV can encode neither H.264 with AAC nor VP8 with Opus.",
        fix="Install PyAV from its official wheel.",
    )


def clip_suffix() -> str:
    """Return the file name suffix of the clips that this machine can write.

    Raises:
        MediaError: If no suitable encoder is installed.
    """
    return _pick_format()[0]


def write_clip(path: Path, ticks: Iterable[Tick], *, title: str) -> None:
    """Encode pictures and sound into one file.

    Args:
        path: Where to; its suffix should be :func:`clip_suffix`.
        ticks: One picture and its sound every 40 ms: uint8 RGB, shape (height, width, 3), all of one even
            size, and float32, shape (640,).
        title: Goes into the file's metadata.

    Raises:
        MediaError: If the folder cannot be written or the encoder fails.
    """
    suffix, video_codec, audio_codec, options = _pick_format()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(partial), "w") as container:
            container.metadata["title"] = title
            _encode(container, video_codec, audio_codec, options, ticks)
        partial.replace(path)
    except (OSError, av.error.FFmpegError) as error:
        raise MediaError(
            f"The demo clip {path} cannot be written: {error}.",
            fix="Choose a folder with free space that you may write to.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _encode(
    container: av.container.OutputContainer,
    video_codec: str,
    audio_codec: str,
    options: dict[str, str],
    ticks: Iterable[Tick],
) -> None:
    video = cast(av.VideoStream, container.add_stream(video_codec, rate=FRAME_RATE_HZ, options=options))
    audio = cast(av.AudioStream, container.add_stream(audio_codec, rate=SAMPLE_RATE_HZ, layout="mono"))
    video.pix_fmt = "yuv420p"
    video.codec_context.thread_count = 1
    sample_format = "fltp" if audio_codec == "aac" else "flt"
    for index, (picture, samples) in enumerate(ticks):
        if index == 0:
            video.height, video.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE_HZ)
        container.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray(samples[None, :], format=sample_format, layout="mono")
        sound.sample_rate = SAMPLE_RATE_HZ
        sound.pts, sound.time_base = index * SAMPLES_PER_TICK, Fraction(1, SAMPLE_RATE_HZ)
        container.mux(audio.encode(sound))
    container.mux(video.encode(None))
    container.mux(audio.encode(None))
