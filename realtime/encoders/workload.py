"""What one participant asks of the engines in a second of call, as the live path calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engines.base import Array
from engines.frontend.alignment import MESH_SIZE_PX
from engines.frontend.detector import LONGEST_SIDE_PX
from engines.frontend.lips import LIP_POINTS
from engines.frontend.mel import FRAMES_PER_TICK, MEL_BINS
from engines.frontend.mouth import MOUTH_SIZE_PX
from engines.spec import Role
from realtime.config import MonitorConfig
from realtime.encoders.speech import CHUNK, CONTEXT
from realtime.timebase import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_TICK

_FACE_SIZE_PX: Final = 112
_SPEECH_WIDTH: Final = 384
_SPEECH_PER_TICK: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleLoad:
    """How often a role's engine runs for one participant, and on what.

    Attributes:
        runs_per_s: Runs in a second of call.
        together: Runs that follow each other at once.
        inputs: Noise of the usual shapes, in the range of real inputs.
    """

    runs_per_s: float
    together: float = 1.0
    inputs: Mapping[str, Array]


def live_load(config: MonitorConfig, seed: int = 0) -> dict[Role, RoleLoad]:
    """Return the load of a participant in a 4:3 picture whose face and voice are always usable.

    Args:
        config: Intervals, window length, hop and lag band.
        seed: Which noise.
    """
    rng = np.random.default_rng(seed)

    def noise(low: float, high: float, *shape: int) -> Array:
        return rng.uniform(low, high, shape).astype(np.float32)

    faces, windows = config.faces, config.windows
    detections_per_s = FRAME_RATE_HZ / faces.detection_interval_ticks
    windows_per_s = FRAME_RATE_HZ / windows.hop_ticks
    ticks = windows.length_ticks
    heard_ticks = ticks + 2 * windows.band_ticks
    picture = (LONGEST_SIDE_PX * 3 // 4 + 31) // 32 * 32, LONGEST_SIDE_PX
    face = (3, _FACE_SIZE_PX, _FACE_SIZE_PX)
    region = (MESH_SIZE_PX, MESH_SIZE_PX, 3)
    mouth = (MOUTH_SIZE_PX, MOUTH_SIZE_PX)
    return {
        Role.DETECTOR: RoleLoad(runs_per_s=detections_per_s, inputs={"image": noise(0, 255, 1, 3, *picture)}),
        Role.LANDMARKS: RoleLoad(
            runs_per_s=detections_per_s,
            inputs={"faces": noise(0, 1, faces.detection_interval_ticks, *region)},
        ),
        Role.IDENTITY: RoleLoad(
            runs_per_s=FRAME_RATE_HZ / faces.identity_interval_ticks,
            inputs={"faces": noise(0, 255, 1, *face)},
        ),
        Role.VAD: RoleLoad(
            runs_per_s=SAMPLE_RATE_HZ / CHUNK,
            together=windows.hop_ticks * SAMPLES_PER_TICK / CHUNK,
            inputs={
                "input": noise(-0.3, 0.3, 1, CONTEXT + CHUNK),
                "state": noise(-1, 1, 2, 1, 128),
                "sr": np.array(SAMPLE_RATE_HZ, np.int64),
            },
        ),
        Role.SPEECH: RoleLoad(
            runs_per_s=windows_per_s, inputs={"mel": noise(-1, 1, 1, FRAMES_PER_TICK * heard_ticks, MEL_BINS)}
        ),
        Role.VISUAL: RoleLoad(
            runs_per_s=windows_per_s,
            inputs={
                "lips": noise(0.9, 1.1, 1, ticks, LIP_POINTS, 2),
                "mouth": noise(0, 255, 1, ticks, *mouth),
            },
        ),
        Role.AUDIO: RoleLoad(
            runs_per_s=windows_per_s,
            inputs={"speech": noise(-2, 2, 1, _SPEECH_PER_TICK * heard_ticks, _SPEECH_WIDTH)},
        ),
    }
