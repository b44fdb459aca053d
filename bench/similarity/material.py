"""Made-up windows of one participant, in the shapes that the shipped encoders give; the same for a seed."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from realtime.config import WindowConfig
from realtime.judge import EncodedWindow
from realtime.timebase import SAMPLES_PER_TICK, tick_time_ns
from realtime.types import Embedding, Float32, LagEmbeddings, TimeSpan, Window, read_only

IDENTITY_DIMENSION: Final = 128
#: 15 ticks of a window, 96 values each.
SPEECH_DIMENSION: Final = 1440
#: Different windows; after these the same ones come again.
VARIETY: Final = 64

Embeddings = tuple[Embedding, Embedding, LagEmbeddings]
"""Identity, lips and voice of one window."""


class MadeUpCall:
    """Windows of a face that stays the same person and of lips that follow the voice.

    Args:
        seed: Of everything drawn.
        windows: Lag band, length and hop.
    """

    def __init__(self, seed: int, windows: WindowConfig) -> None:
        rng = np.random.default_rng(seed)
        self._windows = windows
        self._lags = 2 * windows.band_ticks + 1
        face = _unit(rng.standard_normal(IDENTITY_DIMENSION))
        blur = _unit(rng.standard_normal((VARIETY, IDENTITY_DIMENSION)))
        self._identities = _unit(face + 0.3 * blur)
        self._lips = _unit(rng.standard_normal((VARIETY, SPEECH_DIMENSION)))
        voices = _unit(rng.standard_normal((VARIETY, self._lags, SPEECH_DIMENSION)))
        voices[:, windows.band_ticks] = _unit(voices[:, windows.band_ticks] + 0.35 * self._lips)
        self._voices = voices

    def embeddings(self, index: int) -> Embeddings:
        """Return identity, lips, and the voice at every lag, of a window."""
        voice = LagEmbeddings(
            window_index=index,
            span=self._span(index),
            vectors=read_only(self._voices[index % VARIETY]),
            valid=read_only(np.ones(self._lags, np.bool_)),
            engine_id="made up",
        )
        return self._embedding(index, self._identities), self._embedding(index, self._lips), voice

    def encoded(self, index: int) -> EncodedWindow:
        """Return a window with a face and speech all along, as the judge takes it."""
        length, heard = self._windows.length_ticks, self._windows.length_ticks + self._lags - 1
        window = Window(
            index=index,
            span=self._span(index),
            lips=np.zeros((length, 40, 2), np.float32),
            lips_present=np.ones(length, np.bool_),
            identity_embeddings=np.zeros((0, IDENTITY_DIMENSION), np.float32),
            track_ids=(0,),
            audio=np.zeros(heard * SAMPLES_PER_TICK, np.float32),
            audio_present=np.ones(heard, np.bool_),
            speech=np.full(heard, 0.9, np.float32),
            face_px=160.0,
            sharpness=250.0,
        )
        identity, lips, voice = self.embeddings(index)
        return EncodedWindow(window=window, identity=identity, lips=lips, voice=voice)

    def _embedding(self, index: int, rows: Float32) -> Embedding:
        return Embedding(
            window_index=index,
            span=self._span(index),
            vector=read_only(rows[index % VARIETY]),
            engine_id="made up",
        )

    def _span(self, index: int) -> TimeSpan:
        start = index * self._windows.hop_ticks
        return TimeSpan(start_ns=tick_time_ns(start), end_ns=tick_time_ns(start + self._windows.length_ticks))


def _unit(rows: npt.NDArray[np.floating]) -> Float32:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)
