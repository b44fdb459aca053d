"""One participant's pipeline, fed as fast as it takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.frontend.picture import Picture
from realtime.config import MonitorConfig
from realtime.decision.calibration import Calibration
from realtime.encoders.suite import EncoderSuite
from realtime.errors import MediaError
from realtime.ingest.file import read_media
from realtime.ingest.sink import PendingPicture
from realtime.pipeline import ParticipantPipeline
from realtime.timebase import FRAME_RATE_HZ, SAMPLES_PER_TICK, sample_time_ns, tick_time_ns
from realtime.types import (
    AudioFrame,
    Float32,
    GapReason,
    MediaGap,
    TimeSpan,
    TrackKind,
    VideoFrame,
    read_only,
)

MATERIAL_S = 8

#: In every fifth minute the microphone is muted and the camera is off, at different moments.
_CYCLE_S = 300
_MUTED_S, _CAMERA_OFF_S = range(60, 66), range(200, 206)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is said and seen, again and again: one picture and one block of sound a tick."""

    pictures: Sequence[Picture]
    sound: Sequence[Float32]


def read_material(clip: Path) -> Material:
    """Return the first ``MATERIAL_S`` of a clip, or all of a shorter one.

    Raises:
        MediaError: The file cannot be read, or has no sound or no picture.
    """
    ticks = MATERIAL_S * FRAME_RATE_HZ
    pictures: list[Picture] = []
    blocks: list[Float32] = []
    with read_media(clip) as media:
        for item in media:
            if isinstance(item, PendingPicture):
                pictures += [image for image in (item.resolve().image,) if image is not None]
            elif isinstance(item, AudioFrame):
                blocks.append(item.samples)
            if len(pictures) >= ticks and sum(map(len, blocks)) >= ticks * SAMPLES_PER_TICK:
                break
    whole = min(len(pictures), sum(map(len, blocks)) // SAMPLES_PER_TICK, ticks)
    if whole == 0:
        raise MediaError(f"{clip} has no sound or no picture", fix="give a clip with both")
    sound = np.concatenate(blocks)[: whole * SAMPLES_PER_TICK].reshape(whole, SAMPLES_PER_TICK)
    return Material(pictures=pictures[:whole], sound=[read_only(block) for block in sound])


class VirtualCall:
    """A participant who talks for hours, with a muted microphone or a camera off now and then.

    Args:
        encoders: Best ones that answer from memory.
        config: Settings of every stage.
        calibration: For the sequential test; None for none.
        material: What is said and seen.
    """

    def __init__(
        self,
        encoders: EncoderSuite,
        config: MonitorConfig,
        calibration: Calibration | None,
        material: Material,
    ) -> None:
        self._pipeline = ParticipantPipeline(encoders, config, keep_evidence=True, calibration=calibration)
        self._material = material
        self._seconds = 0
        self.windows = 0

    def live_through(self, seconds: int) -> None:
        """Let so many seconds of call pass."""
        for _ in range(seconds):
            self._live_through_second(self._seconds)
            self._seconds += 1

    def _live_through_second(self, second: int) -> None:
        ticks = range(second * FRAME_RATE_HZ, (second + 1) * FRAME_RATE_HZ)
        moment, material = second % _CYCLE_S, self._material
        if moment in _CAMERA_OFF_S:
            self._push_gap("video", ticks)
        if moment in _MUTED_S:
            self._push_gap("audio", ticks)
        for tick in ticks:
            place = tick % len(material.pictures)
            if moment not in _CAMERA_OFF_S:
                picture = VideoFrame(tick=tick, image=material.pictures[place])
                self.windows += len(self._pipeline.push_video([picture]))
            if moment not in _MUTED_S:
                start_ns = sample_time_ns(tick * SAMPLES_PER_TICK)
                sound = AudioFrame(start_ns=start_ns, samples=material.sound[place])
                self.windows += len(self._pipeline.push_audio([sound]))

    def _push_gap(self, track: TrackKind, ticks: range) -> None:
        span = TimeSpan(start_ns=tick_time_ns(ticks.start), end_ns=tick_time_ns(ticks.stop))
        self.windows += len(self._pipeline.push_gap(MediaGap(track=track, span=span, reason=GapReason.MUTED)))
