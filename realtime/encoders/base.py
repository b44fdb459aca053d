"""The encoder interfaces: the paper's mu, gamma and alpha, and speech activity."""

from __future__ import annotations

from typing import Protocol

from realtime.types import Embedding, Float32, LagEmbeddings, UInt8, Window


class IdentityEncoder(Protocol):
    """mu (paper, Sec. 4), in two steps so that overlapping windows share the costly one.

    Attributes:
        id: Engine id.
        dimension: Length of an embedding.
    """

    id: str
    dimension: int

    def embed(self, crops: UInt8) -> Float32:
        """Embed aligned faces.

        Args:
            crops: uint8 RGB, shape (n, 112, 112, 3).

        Returns:
            float32, shape (n, dimension), unit-norm rows.
        """
        ...

    def pool(self, window: Window) -> Embedding | None:
        """Pool the window's frame embeddings; None where it has none."""
        ...


class VisualEncoder(Protocol):
    """gamma (paper, Sec. 4): how the lips move.

    Attributes:
        id: Engine id.
    """

    id: str

    def encode(self, window: Window) -> Embedding | None:
        """Embed the window's lips; None where too few ticks carry a usable face."""
        ...


class AudioEncoder(Protocol):
    """alpha (paper, Sec. 4): what is said, at every lag of the band.

    Attributes:
        id: Engine id.
    """

    id: str

    def encode(self, window: Window) -> LagEmbeddings | None:
        """Embed the window's audio at every lag; None where no lag has its audio."""
        ...
