"""A speech encoder that tests can do without a model: a fixed linear map of log-mel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.contracts import SPEECH_FEATURES

Float32 = npt.NDArray[np.float32]

_MAP = np.random.default_rng(11).normal(0.0, 0.1, (160, SPEECH_FEATURES)).astype(np.float32)


def made_up_features(mel: Float32) -> Float32:
    """Map (n, 4 F, 80) to (n, 2 F, 384)."""
    return np.asarray(mel.reshape(len(mel), -1, 160) @ _MAP, np.float32)
