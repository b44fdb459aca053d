"""Small media files and frames: a dark moving picture, and a flash with a beep at every whole second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

FLASH_S = 0.12
BEEP_HZ = 1000.0


def picture(index: int, *, width: int = 64, height: int = 48, bright: bool = False) -> npt.NDArray[np.uint8]:
    """Return an RGB picture, shape (height, width, 3): a bar moves with the index; bright is a flash."""
    image = np.full((height, width, 3), 235 if bright else 40, dtype=np.uint8)
    bar = index * 2 % width
    image[:, bar : bar + 4] = 120
    return image


def tone(start: int, samples: int, *, rate: int, channels: int = 1) -> npt.NDArray[np.float32]:
    """Return a quiet hum with a beep in the first ``FLASH_S`` of every second, shape (channels, samples)."""
    time_s = (start + np.arange(samples)) / rate
    hum = 0.02 * np.sin(2 * np.pi * 110 * time_s)
    beep = np.where(time_s % 1 < FLASH_S, 0.6 * np.sin(2 * np.pi * BEEP_HZ * (time_s % 1)), 0.0)
    return np.tile((hum + beep).astype(np.float32), (channels, 1))


def video_frame(image: npt.NDArray[np.uint8], pts: int, time_base: Fraction) -> av.VideoFrame:
    """Return a decoded picture as PyAV hands it out."""
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts, frame.time_base = pts, time_base
    return frame


def audio_frame(
    samples: npt.NDArray[np.float32], *, rate: int, pts: int | None = None, format_name: str = "fltp"
) -> av.AudioFrame:
    """Return planar float samples, shape (channels, n), as a decoded block of a sample format."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[0]]
    if format_name.startswith("s16"):
        samples = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    if not format_name.endswith("p"):
        samples = samples.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=format_name, layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame


def write_clip(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: int = 30,
    size: tuple[int, int] = (64, 48),
    rate: int = 48_000,
    channels: int = 1,
    video_codec: str | None = "mpeg4",
    audio_codec: str | None = "aac",
    video_start_s: float = 0.0,
    audio_start_s: float = 0.0,
    rotation: int = 0,
    keep_picture: Callable[[int], bool] = lambda index: True,
    keep_audio: Callable[[float], bool] = lambda time_s: True,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip whose flashes and beeps start at the whole seconds of the container's time.

    Args:
        path: Its suffix chooses the container.
        seconds: Container time at which both streams end.
        fps: Frame rate.
        size: Width and height.
        rate: Audio sample rate.
        channels: Audio channels.
        video_codec: None for no video stream.
        audio_codec: None for no audio stream.
        video_start_s: Container time of the first picture.
        audio_start_s: Container time of the first sample.
        rotation: Display rotation in degrees, counter-clockwise.
        keep_picture: Which pictures exist, by index.
        keep_audio: Which blocks of 20 ms exist, by their container time.
        options: Options of the container.
    """
    with av.open(str(path), "w", options=options or {}) as out:
        streams: list[Iterator[tuple[float, Any]]] = []
        if video_codec is not None:
            video = out.add_stream(video_codec, rate=fps)
            video.width, video.height = size
            video.pix_fmt = "yuvj420p" if video_codec == "mjpeg" else "yuv420p"
            video.codec_context.time_base = Fraction(1, fps)
            if rotation:
                video.set_display_rotation(rotation)
            indices = [i for i in range(round(video_start_s * fps), round(seconds * fps)) if keep_picture(i)]
            streams.append(_encode(video, (_picture_at(i, fps, size) for i in indices)))
        if audio_codec is not None:
            audio = out.add_stream(audio_codec, rate=rate)
            audio.layout = "mono" if channels == 1 else "stereo"
            streams.append(
                _encode(audio, _audio_blocks(audio_start_s, seconds, rate, channels, keep_audio, audio))
            )
        packets = [packet for stream in streams for packet in stream]
        for _, packet in sorted(packets, key=lambda pair: pair[0]):
            out.mux(packet)
    return path


def _picture_at(index: int, fps: int, size: tuple[int, int]) -> av.VideoFrame:
    bright = index / fps % 1 < FLASH_S - 1e-6
    return video_frame(picture(index, width=size[0], height=size[1], bright=bright), index, Fraction(1, fps))


def _audio_blocks(
    start_s: float,
    end_s: float,
    rate: int,
    channels: int,
    keep: Callable[[float], bool],
    stream: av.AudioStream,
) -> Iterator[av.AudioFrame]:
    block = rate // 50
    format_name = stream.codec_context.format.name
    resampler = av.AudioResampler(format=format_name, layout=stream.layout, rate=rate)
    for first in range(round(start_s * rate), round(end_s * rate), block):
        if keep(first / rate):
            samples = tone(first, block, rate=rate, channels=channels)
            for frame in resampler.resample(audio_frame(samples, rate=rate, pts=first)):
                frame.pts, frame.time_base = first, Fraction(1, rate)
                yield frame


def _encode(stream: Any, frames: Iterable[av.VideoFrame | av.AudioFrame]) -> Iterator[tuple[float, Any]]:
    for frame in [*frames, None]:
        for packet in stream.encode(frame):
            yield float((packet.dts or 0) * packet.time_base), packet
