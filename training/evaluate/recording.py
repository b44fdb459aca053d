"""Encoders that remember, while the live pipeline runs, how lips and voice agreed at every lag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realtime.config import MonitorConfig
from realtime.encoders.base import AudioEncoder, VisualEncoder
from realtime.encoders.suite import EncoderSuite
from realtime.scoring.gating import weigh
from realtime.types import Embedding, Float32, LagEmbeddings, Window


class LagRecorder:
    """Wraps the encoders of one scan.

    Args:
        encoders: The encoders that do the work.
        config: Settings of the scan; they decide which windows count.
    """

    def __init__(self, encoders: EncoderSuite, config: MonitorConfig) -> None:
        self._config = config
        self._lips: Embedding | None = None
        self._profiles: list[Float32] = []
        self.encoders = replace(
            encoders,
            visual=_RecordedVisual(encoders.visual, self),
            audio=_RecordedAudio(encoders.audio, self),
        )

    @property
    def lag_profiles(self) -> Float32:
        """Similarity of lips and voice, float32, shape (W, L); NaN where that audio is missing."""
        lags = 2 * self._config.windows.band_ticks + 1
        return np.array(self._profiles, np.float32).reshape(-1, lags)

    def take_lips(self, lips: Embedding | None) -> None:
        """Take the lips of the next window."""
        self._lips = lips

    def take_voice(self, window: Window, voice: LagEmbeddings | None) -> None:
        """Take the voice of the window whose lips came last."""
        lips = self._lips
        evidence = weigh(
            window, None, lips, voice, scoring=self._config.scoring, windows=self._config.windows
        )
        if lips is None or voice is None or evidence.cross_reasons:
            return
        if lips.window_index != voice.window_index:
            raise ValueError(f"lips of window {lips.window_index} with voice of window {voice.window_index}")
        similarities = np.clip(voice.vectors @ lips.vector, -1.0, 1.0).astype(np.float32)
        similarities[~voice.valid] = np.nan
        self._profiles.append(similarities)


class _RecordedVisual:
    def __init__(self, encoder: VisualEncoder, recorder: LagRecorder) -> None:
        self.id = encoder.id
        self._encoder = encoder
        self._recorder = recorder

    def encode(self, window: Window) -> Embedding | None:
        lips = self._encoder.encode(window)
        self._recorder.take_lips(lips)
        return lips


class _RecordedAudio:
    def __init__(self, encoder: AudioEncoder, recorder: LagRecorder) -> None:
        self.id = encoder.id
        self._encoder = encoder
        self._recorder = recorder

    def encode(self, window: Window) -> LagEmbeddings | None:
        voice = self._encoder.encode(window)
        self._recorder.take_voice(window, voice)
        return voice
