"""Pictures and loudness for evidence made without media."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from realtime.evidence.bundle import EvidenceItem
from realtime.evidence.media import MediaMemory
from realtime.timebase import SAMPLES_PER_TICK, tick_time_ns
from realtime.types import AudioFrame, UInt8


def face_crop(shade: int) -> UInt8:
    """Return an aligned "face" whose colour tells which one it is."""
    crop = np.full((112, 112, 3), shade, np.uint8)
    cv2.circle(crop, (56, 60), 30, (255 - shade, 90, 120), -1)
    return crop


def with_media(item: EvidenceItem, *, ticks: int = 300) -> EvidenceItem:
    """Return the item with a face every 15 ticks and a voice that swells, as a pipeline keeps them."""
    memory = MediaMemory(256)
    for tick in range(ticks):
        if tick % 15 == 0:
            memory.take_face(tick, 1, face_crop(40 + tick % 200))
        loud = 0.05 + 0.4 * abs(np.sin(tick / 9))
        samples = np.full(SAMPLES_PER_TICK, loud, np.float32)
        memory.take_audio(AudioFrame(start_ns=tick_time_ns(tick), samples=samples))
    media = memory.snapshot(item.snapshot.seams)
    return replace(item, snapshot=replace(item.snapshot, media=media))
