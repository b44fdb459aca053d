"""People's talk and listening, encoded once: packets that can be exchanged at every whole second."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np

from bench.load.people import People, listening
from bench.load.schedule import Cut
from clients.demo.clip_writer import Tick
from clients.publisher.encode import OPUS_BLOCK, OPUS_RATE_HZ, VIDEO_TIME_BASE, configure_opus
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from realtime.types import Float32, UInt8

Codec = Literal["vp8", "h264"]
Size = tuple[int, int]

BITS_PER_PIXEL = 0.12
"""Browsers send about as much: 0.7 Mbit/s at 640x360, 2.8 Mbit/s at 1280x720."""
OPUS_PACKETS_PER_S = OPUS_RATE_HZ // OPUS_BLOCK
_TICKS_PER_PICTURE = VIDEO_TIME_BASE.denominator // FRAME_RATE_HZ
_RECIPE = 2

_SETTINGS: dict[Codec, tuple[str, dict[str, str]]] = {
    "vp8": (
        "libvpx",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"},
    ),
    "h264": (
        "libx264",
        {"profile": "baseline", "preset": "veryfast", "tune": "zerolatency", "sc_threshold": "0"},
    ),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """Encoded pictures and sound of whole seconds; every second begins with a key frame.

    Attributes:
        pictures: ``FRAME_RATE_HZ`` a second; H.264 as Annex B with parameter sets before each key frame.
        sound: ``OPUS_PACKETS_PER_S`` a second.
    """

    pictures: tuple[bytes, ...]
    sound: tuple[bytes, ...]

    @property
    def seconds(self) -> int:
        """Length."""
        return len(self.pictures) // FRAME_RATE_HZ

    @property
    def bits_per_s(self) -> float:
        """Bit rate of the pictures."""
        return 8 * sum(map(len, self.pictures)) / self.seconds

    def pictures_of(self, second: int) -> tuple[bytes, ...]:
        """Return the pictures of a second; after the last one comes the first."""
        start = second % self.seconds * FRAME_RATE_HZ
        return self.pictures[start : start + FRAME_RATE_HZ]

    def sound_of(self, second: int) -> tuple[bytes, ...]:
        """Return the sound of a second; after the last one comes the first."""
        start = second % self.seconds * OPUS_PACKETS_PER_S
        return self.sound[start : start + OPUS_PACKETS_PER_S]


class StreamLibrary:
    """Encoded streams of all people for one picture size and codec, in a folder.

    Args:
        folder: From ``prepare_streams``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: dict[tuple[int, bool], Stream] = {}

    def stream(self, person: int, *, talking: bool) -> Stream:
        """Return a stream, read on first use."""
        key = person, talking
        if key not in self._streams:
            self._streams[key] = read_stream(self._folder / _name(person, talking))
        return self._streams[key]

    def pictures(self, cut: Cut) -> tuple[bytes, ...]:
        """Return the pictures of one second."""
        return self.stream(cut.person, talking=cut.talking).pictures_of(cut.second)

    def sound(self, cut: Cut) -> tuple[bytes, ...]:
        """Return the sound of one second."""
        return self.stream(cut.person, talking=cut.talking).sound_of(cut.second)


def prepare_streams(
    people: People, size: Size, codec: Codec, cache: Path, progress: Callable[[float], None]
) -> Path:
    """Return a folder with the streams of all people, encoded now where an earlier call has not.

    Args:
        people: Who.
        size: Width and height in px, even.
        codec: Of the pictures.
        cache: Where the folder lies.
        progress: Told how much is done, from 0 to 1.

    Raises:
        MediaError: The recordings cannot be read.
    """
    recipe = repr((_RECIPE, people.key, people.talkers, size, codec))
    folder = cache / f"{size[0]}x{size[1]}-{codec}-{hashlib.sha256(recipe.encode()).hexdigest()[:10]}"
    folder.mkdir(parents=True, exist_ok=True)
    for person in range(people.talkers + 1):
        progress(person / (people.talkers + 1))
        paths = {talking: folder / _name(person, talking) for talking in (True, False)}
        if all(path.exists() for path in paths.values()):
            continue
        talk = people.talk(person)
        write_stream(paths[True], encode_stream(talk, size, codec))
        write_stream(paths[False], encode_stream(listening(talk, person), size, codec))
    progress(1.0)
    return folder


def encode_stream(ticks: Sequence[Tick], size: Size, codec: Codec) -> Stream:
    """Encode whole seconds of pictures and sound."""
    pictures = tuple(_encode_pictures((picture for picture, _ in ticks), size, codec))
    sound = tuple(_encode_sound(np.concatenate([samples for _, samples in ticks])))
    return Stream(pictures, sound[: len(pictures) * OPUS_PACKETS_PER_S // FRAME_RATE_HZ])


def write_stream(path: Path, stream: Stream) -> None:
    """Write a stream; the file appears only once it is complete."""
    partial = path.with_name(f".{path.name}.partial.npz")
    arrays: dict[str, Any] = {}
    for name, packets in (("pictures", stream.pictures), ("sound", stream.sound)):
        arrays[name] = np.frombuffer(b"".join(packets), np.uint8)
        arrays[f"{name}_bytes"] = np.array([len(packet) for packet in packets], np.int64)
    np.savez(partial, **arrays)
    partial.replace(path)


def read_stream(path: Path) -> Stream:
    """Read a stream that ``write_stream`` wrote."""
    with np.load(path) as arrays:
        parts = [_packets(arrays[name], arrays[f"{name}_bytes"]) for name in ("pictures", "sound")]
    return Stream(*parts)


def placed(picture: UInt8, size: Size) -> UInt8:
    """Scale a picture to a height, and go on with its edges, or cut them, to reach the width."""
    width, height = size
    scaled_width = round(picture.shape[1] * height / picture.shape[0])
    scaled = cv2.resize(picture, (scaled_width, height), interpolation=cv2.INTER_CUBIC)
    missing = width - scaled_width
    if missing <= 0:
        left = -missing // 2
        return np.ascontiguousarray(scaled[:, left : left + width], dtype=np.uint8)
    border = cv2.copyMakeBorder(
        scaled, 0, 0, missing // 2, missing - missing // 2, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(border, dtype=np.uint8)


def _name(person: int, talking: bool) -> str:
    return f"{person}-{'talk' if talking else 'listen'}.npz"


def _packets(data: UInt8, sizes: np.typing.NDArray[np.int64]) -> tuple[bytes, ...]:
    ends = np.cumsum(sizes)
    whole = data.tobytes()
    return tuple(whole[end - size : end] for end, size in zip(ends, sizes, strict=True))


def _encode_pictures(pictures: Iterator[UInt8], size: Size, codec: Codec) -> Iterator[bytes]:
    name, options = _SETTINGS[codec]
    encoder: Any = av.CodecContext.create(name, "w")
    bit_rate = int(size[0] * size[1] * FRAME_RATE_HZ * BITS_PER_PIXEL)
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.time_base, encoder.framerate = VIDEO_TIME_BASE, Fraction(FRAME_RATE_HZ)
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = bit_rate, FRAME_RATE_HZ, 1
    rate = {"maxrate": str(bit_rate), "bufsize": str(bit_rate // 2)}
    encoder.options = {**options, **rate, "keyint_min": str(FRAME_RATE_HZ)}
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(placed(picture, size), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index * _TICKS_PER_PICTURE, VIDEO_TIME_BASE
        yield from map(bytes, encoder.encode(frame))
    yield from map(bytes, encoder.encode(None))


def _encode_sound(samples: Float32) -> Iterator[bytes]:
    encoder: Any = av.CodecContext.create("libopus", "w")
    configure_opus(encoder, "mono")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=OPUS_RATE_HZ, frame_size=OPUS_BLOCK)
    pcm = np.clip(samples * 32767.0, -32768, 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
    for block in (*resampler.resample(frame), *resampler.resample(None)):
        yield from map(bytes, encoder.encode(block))
    yield from map(bytes, encoder.encode(None))
