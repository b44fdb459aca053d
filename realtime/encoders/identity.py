"""mu: face identity by a compiled face recogniser, averaged over the window."""

from __future__ import annotations

import numpy as np

from engines.base import Engine
from realtime.types import Embedding, Float32, UInt8, Window, read_only


class PooledIdentityEncoder:
    """Frame embeddings of a face recogniser, pooled by their mean direction.

    The paper aggregates frame features by a trained transformer (Sec. 5, Models); the mean of unit vectors
    is the untrained stand-in.

    Args:
        engine: Takes ``faces`` float32 (n, 3, 112, 112) RGB 0-255, gives ``embedding`` (n, D).
        dimension: D.
    """

    def __init__(self, engine: Engine, dimension: int) -> None:
        self._engine = engine
        self.id = engine.spec.id
        self.dimension = dimension

    def embed(self, crops: UInt8) -> Float32:
        """Embed aligned faces; see ``IdentityEncoder.embed``."""
        faces = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), dtype=np.float32)
        vectors = self._engine.run({"faces": faces})["embedding"]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)

    def pool(self, window: Window) -> Embedding | None:
        """Return the mean direction of the window's frame embeddings."""
        if not len(window.identity_embeddings):
            return None
        mean = window.identity_embeddings.mean(axis=0)
        norm = float(np.linalg.norm(mean))
        if norm < 1e-6:
            return None
        vector = np.asarray(mean / norm, np.float32)
        return Embedding(
            window_index=window.index, span=window.span, vector=read_only(vector), engine_id=self.id
        )
