"""A recording of one talking participant, in the size and codec that a scan is timed with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np

from clients.demo.clip_writer import Tick, write_clip
from clients.publisher.prepare import prepare_clip
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.timebase import SAMPLES_PER_TICK, sample_at
from realtime.types import AudioFrame, Float32, UInt8

Codec = Literal["h264", "vp8"]
CODECS: Final[tuple[Codec, ...]] = ("h264", "vp8")


def write_recording(source: Path, folder: Path, codec: Codec, *, width_px: int, height_px: int) -> Path:
    """Write a clip again in another size, as H.264 with AAC or as VP8 with Opus.

    Args:
        source: A clip with picture and sound.
        folder: Where the recording goes.
        codec: Of the pictures.
        width_px: Even.
        height_px: Even.

    Raises:
        MediaError: If the clip cannot be read or written.
    """
    name = f"{codec}-{width_px}x{height_px}"
    if codec == "vp8":
        return prepare_clip(source, folder / f"{name}.webm", width=width_px, height=height_px)
    path = folder / f"{name}.mp4"
    write_clip(path, _ticks(source, width_px, height_px), title="scan speed")
    return path


def _ticks(source: Path, width_px: int, height_px: int) -> Iterator[Tick]:
    pictures: list[UInt8] = []
    blocks: dict[int, Float32] = {}
    with read_media(source) as media:
        for item in media:
            if isinstance(item, PendingPicture):
                resized = cv2.resize(item.convert(), (width_px, height_px))
                pictures.append(np.asarray(resized, np.uint8))
            elif isinstance(item, AudioFrame):
                blocks[sample_at(item.start_ns)] = item.samples
            while pictures and _heard(blocks) >= SAMPLES_PER_TICK:
                yield pictures.pop(0), _taken(blocks)


def _heard(blocks: dict[int, Float32]) -> int:
    return sum(map(len, blocks.values()))


def _taken(blocks: dict[int, Float32]) -> Float32:
    """Take one tick of sound out of the blocks."""
    start = min(blocks)
    joined = np.concatenate([blocks.pop(key) for key in sorted(blocks)])
    if len(joined) > SAMPLES_PER_TICK:
        blocks[start + SAMPLES_PER_TICK] = joined[SAMPLES_PER_TICK:]
    return np.asarray(joined[:SAMPLES_PER_TICK], np.float32)
