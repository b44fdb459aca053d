"""Decides whether a window counts as evidence for each comparison, and says why not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from realtime.config import ScoringConfig, WindowConfig
from realtime.types import Embedding, FaceReason, GapReason, LagEmbeddings, Window

NO_FACE = "no_face"
NO_SPEECH = "no_speech"
NO_AUDIO = "no_audio"
NO_VIDEO = "no_video"
LOW_FRAME_RATE = "low_frame_rate"
CLOCK_UNSURE = "clock_unsure"

_VIDEO_REASONS = frozenset({str(reason) for reason in FaceReason} | {NO_VIDEO})
_AUDIO_REASONS = frozenset({str(reason) for reason in GapReason} | {NO_AUDIO})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one window is good for.

    Attributes:
        intra_reasons: Why it does not count intra-modally; empty where it does.
        cross_reasons: Why it does not count cross-modally; empty where it does.
        face_ratio: Fraction of the window's newest hop of ticks with a usable face.
        speech_ratio: Fraction of the window's newest hop of ticks with speech.
    """

    intra_reasons: tuple[str, ...]
    cross_reasons: tuple[str, ...]
    face_ratio: float
    speech_ratio: float


def is_heard(window: Window, scoring: ScoringConfig, windows: WindowConfig) -> bool:
    """Tell whether audio and speech cover enough of a window for its lips and voice to be compared at all."""
    span = slice(windows.band_ticks, windows.band_ticks + windows.length_ticks)
    heard = float(window.audio_present[span].mean())
    speech = float((window.speech[span] >= scoring.speech_threshold).mean())
    return heard >= scoring.min_audio_ratio and speech >= scoring.min_speech_ratio


def weigh(
    window: Window,
    identity: Embedding | None,
    visual: Embedding | None,
    audio: LagEmbeddings | None,
    *,
    scoring: ScoringConfig,
    windows: WindowConfig,
    unfit: tuple[str, ...] = (),
) -> Evidence:
    """Weigh one window.

    It counts intra-modally when there is an identity, and cross-modally when lips and voice were embedded
    (the voice at lag zero at least), face, audio and speech cover enough of its span, and nothing else makes
    the two unfit for comparison. Lips need not be embedded where it is not heard (``is_heard``), nor the
    voice where there are no lips.

    Args:
        window: The window.
        identity: Its identity embedding, None without a face.
        visual: Its lips embedding, None without lips.
        audio: Its voice embeddings, None without a voice.
        scoring: Ratios and speech threshold.
        windows: Window length, hop and lag band.
        unfit: What makes lips and voice unfit for comparison, whatever the window holds; told in place of
            what is wrong with the face.

    Raises:
        ValueError: If the window is not of the configured length and band.
    """
    length, band = windows.length_ticks, windows.band_ticks
    if window.lips_present.shape != (length,) or window.speech.shape != (length + 2 * band,):
        raise ValueError(f"window {window.index} is not {length} ticks long with a band of {band} ticks")
    speech = window.speech[band : band + length] >= scoring.speech_threshold
    heard = window.audio_present[band : band + length]
    face_failed = float(window.lips_present.mean()) < scoring.min_face_ratio
    face_failed |= visual is None and is_heard(window, scoring, windows)
    audio_failed = float(heard.mean()) < scoring.min_audio_ratio
    unvoiced = visual is not None and (audio is None or not bool(audio.valid[band]))
    speech_failed = unvoiced or float(speech.mean()) < scoring.min_speech_ratio

    face_reasons = _among(window.reasons, _VIDEO_REASONS) or (NO_FACE,)
    cross_reasons: tuple[str, ...] = unfit or (face_reasons if face_failed else ())
    if audio_failed:
        cross_reasons += (NO_AUDIO, *_among(window.reasons, _AUDIO_REASONS - {NO_AUDIO}))
    elif speech_failed:
        cross_reasons += (NO_SPEECH,)
    return Evidence(
        intra_reasons=face_reasons if identity is None else (),
        cross_reasons=cross_reasons,
        face_ratio=float(np.mean(window.lips_present[-windows.hop_ticks :])),
        speech_ratio=float(np.mean(speech[-windows.hop_ticks :])),
    )


def momentary_windows(windows: WindowConfig) -> int:
    """Return how many overlapping windows one bad moment can reach."""
    return math.ceil(windows.length_ticks / windows.hop_ticks)


def _among(reasons: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    return tuple(reason for reason in reasons if reason in known)
