"""The speech features that compact alpha learns from, computed by the very engine that the monitor runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.loader import load_engine
from engines.spec import Role
from engines.store.store import ModelStore
from training.models.audio import FEATURES_PER_TICK
from training.pool import MEL_MARGIN_TICKS, PooledClip, mel_of, voice_of

Float32 = npt.NDArray[np.float32]

SpeechFeatures = Callable[[Float32], Float32]
"""Maps log-mel, (n, 4 F, 80), to features, (n, 2 F, 384); safe to call from several threads."""

_CHUNK_TICKS: Final = 39
_OVERLAP_TICKS: Final = 7


def load_speech_features() -> SpeechFeatures:
    """Load the pinned speech encoder of the user's model store.

    Raises:
        ModelStoreError: If it is missing or damaged.
    """
    engine = load_engine(ModelStore(), Role.SPEECH, threads=1)
    return lambda mel: np.asarray(engine.run({"mel": mel})["features"], np.float32)


def features_of_clip(clip: PooledClip, features: SpeechFeatures) -> Float32:
    """Return the features of a clip less its margins, in pieces as long as a monitor's window with its lags.

    Args:
        clip: At least three ticks long.
        features: The speech encoder.

    Returns:
        float32, shape (2 (T - 2), 384); the first two rows belong to tick 1.
    """
    ticks = clip.prepared.ticks - 2 * MEL_MARGIN_TICKS
    pieces = []
    step = _CHUNK_TICKS - 2 * _OVERLAP_TICKS
    for first in range(0, ticks, step):
        start = max(0, min(first - _OVERLAP_TICKS, ticks - _CHUNK_TICKS))
        length = min(_CHUNK_TICKS, ticks)
        found = features(mel_of(voice_of(clip.prepared, start + MEL_MARGIN_TICKS, length))[None])[0]
        pieces.append(
            found[FEATURES_PER_TICK * (first - start) :][: FEATURES_PER_TICK * min(step, ticks - first)]
        )
    return np.concatenate(pieces)
