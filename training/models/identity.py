"""Compact mu: the identity embeddings of a window's frames to one embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.temporal import unit_norm


class IdentityAggregator(nn.Module):
    """Attention over residually refined frame embeddings; starts as the direction of their plain mean.

    Args:
        dimension: Length D of the frame embeddings and of the result.
        hidden: Hidden width of the refinement.
    """

    def __init__(self, dimension: int = 128, hidden: int = 256) -> None:
        super().__init__()
        self.widen = nn.Linear(dimension, hidden)
        self.narrow = nn.Linear(hidden, dimension, bias=False)
        self.attend = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.attend.weight)

    def forward(self, frames: Tensor, weight: Tensor) -> Tensor:
        """Encode windows.

        Args:
            frames: Float, shape (n, K, D): unit-norm identity embeddings.
            weight: Float, shape (n, K): 1 where there is an embedding, 0 where the row is filler; at least
                one 1 a window.

        Returns:
            Float, shape (n, D), unit norm.
        """
        hidden = torch.relu(self.widen(frames))
        refined = frames + self.narrow(hidden)
        logits = self.attend(hidden)[..., 0] + (weight - 1.0) * 1e4
        attention = torch.softmax(logits, dim=1)
        return unit_norm(torch.sum(refined * attention[..., None], dim=1))
