"""Is a participant the person that the operator knows? Similarity to a given reference. Pure.

After POI-Forensics (Cozzolino et al., CVPR Workshops 2023): known material of a person against the call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from realtime.config import ReferenceConfig
from realtime.identity.prototypes import nearest_similarity
from realtime.types import Embedding, Float32

NOT_THE_REFERENCE = "not_the_reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is known of a person. Biometric data: it stays in memory, and is never printed.

    Attributes:
        looks: float32, shape (k, D), unit-norm rows, k at least 1.
        engine_id: The engine that made them.
    """

    looks: Float32 = field(repr=False)
    engine_id: str


class ReferenceCheck:
    """Compares one participant's windows with a reference; memory is fixed.

    Args:
        reference: Of the person that the participant should be.
        config: Thresholds.
    """

    def __init__(self, reference: Reference, config: ReferenceConfig) -> None:
        self._reference = reference
        self._config = config
        self._recent: deque[tuple[int, float]] = deque(maxlen=config.mean_windows)
        self.margin: float | None = None

    def update(self, identity: Embedding | None) -> float | None:
        """Take the identity of the next window.

        Afterwards ``margin`` is the decision value: 0 at the alert threshold, 1 at the genuine value, from
        the mean over the newest ``mean_windows`` windows with a face. It is None where this window brought no
        face, or where those windows reach back further than ``max_span_windows``.

        Returns:
            The window's similarity to the look that it is most like, in [-1, 1]; None without a face.

        Raises:
            ValueError: If the embedding was made by another engine than the reference.
        """
        self.margin = None
        if identity is None:
            return None
        if identity.engine_id != self._reference.engine_id:
            raise ValueError(f"{identity.engine_id} cannot be compared with {self._reference.engine_id}")
        similarity = nearest_similarity(self._reference.looks, identity.vector)
        self._recent.append((identity.window_index, similarity))
        span_windows = identity.window_index - self._recent[0][0] + 1
        if len(self._recent) == self._config.mean_windows and span_windows <= self._config.max_span_windows:
            mean = float(np.mean([value for _, value in self._recent]))
            self.margin = (mean - self._config.alert) / (self._config.genuine - self._config.alert)
        return similarity
