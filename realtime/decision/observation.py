"""What one window says on one channel, and how good the media was that it was taken from."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.types import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good the media of one window was; a value that could not be measured is None.

    Attributes:
        face_px: Mean of the face box's width and height in the source picture.
        sharpness: Variance of the Laplacian of the aligned grey face; strong compression lowers it.
        speech_ratio: Fraction of the window's ticks with speech, in [0, 1].
        picture_ratio: Fraction of the window's ticks with usable lips, in [0, 1]; a low frame rate, freezes
            and loss lower it.
    """

    face_px: float | None
    sharpness: float | None
    speech_ratio: float | None
    picture_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One window's value on one channel; higher is more consistent.

    Attributes:
        window_index: The window.
        time_ns: Call time of the window's end.
        channel: INTRA compares the face with what is remembered of it, CROSS the lips with the voice.
        value: Cosine similarity in [-1, 1].
        quality: Of the same window.
    """

    window_index: int
    time_ns: int
    channel: Modality
    value: float
    quality: Quality
