"""gamma and alpha by trained frame encoders.

Both give one unit-norm embedding a tick, less the R ticks of context at either end. A window's embedding is
its frame embeddings side by side, divided by the root of their number: it has unit norm, and the dot product
of a lips window and a voice window is the mean cosine of their frames. Trying another lag therefore only
slides along the frames of the voice, which are computed once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.base import Engine
from engines.frontend.mel import log_mel
from realtime.types import Bool, Embedding, Float32, LagEmbeddings, Window, read_only


class TrainedVisualEncoder:
    """Lip points and mouth pictures of a window.

    Args:
        engine: ``lips`` (1, F, 40, 2) and ``mouth`` (1, F, 64, 64) to ``frames`` (1, F - 2R, D).
        min_face_ratio: Fraction of the window's ticks that must carry lips.
    """

    def __init__(self, engine: Engine, min_face_ratio: float) -> None:
        self._engine = engine
        self._min_face_ratio = min_face_ratio
        self.id = engine.spec.id

    def encode(self, window: Window) -> Embedding | None:
        """Embed the lips; gaps are bridged, by straight lines for points, by the nearest picture for pixels.

        Raises:
            EngineError: If the engine fails.
        """
        present = window.lips_present
        if present.mean() < self._min_face_ratio:
            return None
        if window.mouth is None or window.mouth_present is None or not window.mouth_present.any():
            return None
        lips = _bridge(window.lips, present)
        mouth = window.mouth[_nearest(window.mouth_present)].astype(np.float32)
        frames = self._engine.run({"lips": lips[np.newaxis], "mouth": mouth[np.newaxis]})["frames"][0]
        return Embedding(
            window_index=window.index, span=window.span, vector=_side_by_side(frames), engine_id=self.id
        )


class TrainedAudioEncoder:
    """The voice of a window at every lag.

    Args:
        speech: ``mel`` (1, 4 (F + 2 B), 80) to ``features`` (1, 2 (F + 2 B), width).
        engine: ``speech``, those features, to ``frames`` (1, F + 2 B - 2R, D).
        context_ticks: R.
        band_ticks: B.
        min_audio_ratio: Fraction of ticks that must carry audio for a lag to be valid.
    """

    def __init__(
        self, speech: Engine, engine: Engine, context_ticks: int, band_ticks: int, min_audio_ratio: float
    ) -> None:
        self._speech = speech
        self._engine = engine
        self._context_ticks = context_ticks
        self._band_ticks = band_ticks
        self._min_audio_ratio = min_audio_ratio
        self.id = engine.spec.id

    def encode(self, window: Window) -> LagEmbeddings | None:
        """Embed the voice once and cut out each lag.

        Raises:
            EngineError: If the engine fails.
        """
        lags = 2 * self._band_ticks + 1
        ticks = len(window.audio_present) - lags + 1
        heard = np.lib.stride_tricks.sliding_window_view(window.audio_present, ticks).mean(axis=1)
        valid = heard >= self._min_audio_ratio
        if not valid.any():
            return None
        features = self._speech.run({"mel": log_mel(window.audio)[np.newaxis]})["features"]
        frames = self._engine.run({"speech": features})["frames"][0]
        length = ticks - 2 * self._context_ticks
        vectors = np.stack(
            [
                _side_by_side(frames[lag : lag + length]) if usable else np.zeros(length * frames.shape[1])
                for lag, usable in enumerate(valid)
            ]
        ).astype(np.float32)
        return LagEmbeddings(
            window_index=window.index,
            span=window.span,
            vectors=read_only(vectors),
            valid=read_only(np.asarray(valid, np.bool_)),
            engine_id=self.id,
        )


def _side_by_side(frames: npt.NDArray[np.float32]) -> Float32:
    return read_only(np.asarray(frames.reshape(-1) / np.sqrt(len(frames)), np.float32))


def _nearest(present: Bool) -> npt.NDArray[np.intp]:
    """Return for every tick the nearest tick that is present."""
    known = np.flatnonzero(present)
    distance = np.abs(np.arange(len(present))[:, np.newaxis] - known)
    return np.asarray(known[distance.argmin(axis=1)], np.intp)


def _bridge(lips: Float32, present: Bool) -> Float32:
    if present.all():
        return lips
    ticks = np.arange(len(lips))
    flat = lips.reshape(len(lips), -1)
    columns = [np.interp(ticks, ticks[present], column[present]) for column in flat.T]
    return np.stack(columns, axis=1).reshape(lips.shape).astype(np.float32)
