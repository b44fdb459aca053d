"""What the sequential test of one participant rests on, for as long as it fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime.config import DecisionConfig
from realtime.decision.calibration import Calibration
from realtime.decision.observation import Observation, Quality
from realtime.decision.sequential import TestState
from realtime.types import Modality

#: An hour of windows, on both channels: 1 MB a participant.
MAX_OBSERVATIONS = 18_000

_CHANNELS = tuple(Modality)
_ROW = np.dtype(
    [
        ("window", np.int64),
        ("time_ns", np.int64),
        ("channel", np.int8),
        ("value", np.float64),
        ("face_px", np.float64),
        ("sharpness", np.float64),
        ("speech_ratio", np.float64),
        ("picture_ratio", np.float64),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRun:
    """The test at a transition, and what brought it there.

    Attributes:
        calibration: That it compares with.
        config: The rate of false alarms, and what else decides.
        observations: That it took, oldest first.
        complete: Whether these are all since the participant came; the test can be run again only then.
        state: Where it stood.
    """

    calibration: Calibration
    config: DecisionConfig
    observations: tuple[Observation, ...]
    complete: bool
    state: TestState


class DecisionMemory:
    """Remembers what a test took; the oldest is forgotten when there is too much. Memory is fixed.

    Args:
        calibration: That the test compares with.
        config: That it decides by.
        capacity: Observations remembered.
    """

    def __init__(
        self, calibration: Calibration, config: DecisionConfig, capacity: int = MAX_OBSERVATIONS
    ) -> None:
        self._calibration = calibration
        self._config = config
        self._held = np.zeros(capacity, _ROW)
        self._taken = 0

    def take(self, observations: Sequence[Observation]) -> None:
        """Take those of the next window."""
        for each in observations:
            quality = each.quality
            self._held[self._taken % len(self._held)] = (
                each.window_index,
                each.time_ns,
                _CHANNELS.index(each.channel),
                each.value,
                *(
                    math.nan if measured is None else measured
                    for measured in (
                        quality.face_px,
                        quality.sharpness,
                        quality.speech_ratio,
                        quality.picture_ratio,
                    )
                ),
            )
            self._taken += 1

    def snapshot(self, state: TestState) -> DecisionRun:
        """Return what the test rests on, right after the window that led to a state."""
        count, capacity = min(self._taken, len(self._held)), len(self._held)
        rows = self._held[np.arange(self._taken - count, self._taken) % capacity]
        return DecisionRun(
            calibration=self._calibration,
            config=self._config,
            observations=tuple(_observation(*row) for row in rows.tolist()),
            complete=count == self._taken,
            state=state,
        )


def _observation(window: int, time_ns: int, channel: int, value: float, *measured: float) -> Observation:
    face_px, sharpness, speech_ratio, picture_ratio = (
        None if math.isnan(each) else each for each in measured
    )
    return Observation(
        window_index=window,
        time_ns=time_ns,
        channel=_CHANNELS[channel],
        value=value,
        quality=Quality(
            face_px=face_px, sharpness=sharpness, speech_ratio=speech_ratio, picture_ratio=picture_ratio
        ),
    )
