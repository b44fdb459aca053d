"""From an encoded and scored window to the observations that the sequential test takes."""

from __future__ import annotations

import numpy as np

from realtime.config import ScoringConfig, WindowConfig
from realtime.decision.observation import Observation, Quality
from realtime.identity.memory import IdentityMemory, IdentityMemoryConfig
from realtime.types import Embedding, Modality, Window

#: Faces at least so large and sharp are learnt from in full, smaller and softer ones in proportion.
FULL_FACE_PX = 100.0
FULL_SHARPNESS = 90.0

#: Similarities to the remembered face above this are pose and light, not identity: genuine windows differ
#: there from person to person without meaning anything. Below, where compression takes some genuine people, a
#: participant is compared with what is usual for it.
SAME_PERSON = 0.6


class Observer:
    """Remembers a participant's face and observes each window; memory is fixed.

    Args:
        windows: Window length and lag band.
        scoring: From which probability on a tick counts as speech.
    """

    def __init__(self, windows: WindowConfig, scoring: ScoringConfig) -> None:
        self._band_ticks = windows.band_ticks
        self._length_ticks = windows.length_ticks
        self._speech_threshold = scoring.speech_threshold
        self._memory = IdentityMemory(IdentityMemoryConfig())

    @property
    def is_enrolled(self) -> bool:
        """Whether the participant's face is remembered, so that windows with a face are compared with it."""
        return self._memory.is_enrolled

    def observe(
        self, window: Window, identity: Embedding | None, agreement: float | None
    ) -> tuple[Observation, ...]:
        """Observe the next window; with several people in the picture nothing counts.

        Args:
            window: The window; indices rise and may skip.
            identity: Its identity; None without a face.
            agreement: Similarity of its lips and voice; None where it does not count as evidence.
        """
        if window.other_faces:
            return ()
        quality = self._quality(window)
        values: dict[Modality, float | None] = {Modality.INTRA: None, Modality.CROSS: agreement}
        if identity is not None:
            weight = min(1.0, (window.face_px or 0.0) / FULL_FACE_PX)
            weight *= min(1.0, (window.sharpness or 0.0) / FULL_SHARPNESS)
            remembered = self._memory.update(window.index, identity.vector, weight, window.span.end_ns)
            values[Modality.INTRA] = None if remembered is None else min(remembered, SAME_PERSON)
        return tuple(
            Observation(
                window_index=window.index,
                time_ns=window.span.end_ns,
                channel=channel,
                value=value,
                quality=quality,
            )
            for channel, value in values.items()
            if value is not None
        )

    def _quality(self, window: Window) -> Quality:
        speech = window.speech[self._band_ticks : self._band_ticks + self._length_ticks]
        return Quality(
            face_px=window.face_px,
            sharpness=window.sharpness,
            speech_ratio=float(np.mean(speech >= self._speech_threshold)),
            picture_ratio=float(np.mean(window.lips_present)),
        )
