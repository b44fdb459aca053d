"""Blocks that work along time without padding: n frames in, fewer out, nothing tells where a border is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CONTEXT_TICKS = 5
"""R: a frame embedding sees its own tick and R ticks on both sides, in every compact encoder."""


DROPPED = 0.2
"""Share of features that are left out, each for a whole segment, while a branch learns."""


class TemporalBlock(nn.Module):
    """A residual block over three frames: depthwise in time, then a two-layer network per frame.

    Args:
        channels: Channels C.
        hidden: Width of the network's hidden layer.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(channels, channels, 3, groups=channels, bias=False)
        self.time_norm = nn.BatchNorm1d(channels)
        self.widen = nn.Conv1d(channels, hidden, 1)
        self.narrow = nn.Conv1d(hidden, channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, C, F) to (n, C, F - 2)."""
        mixed = self.time_norm(self.time(x))
        change: Tensor = self.norm(self.narrow(torch.relu(self.widen(mixed))))
        return x[:, :, 1:-1] + change


def temporal_stack(channels: int, hidden: int, blocks: int) -> nn.Sequential:
    """Return blocks that take one frame each off both ends."""
    return nn.Sequential(*(TemporalBlock(channels, hidden) for _ in range(blocks)))


def unit_norm(x: Tensor) -> Tensor:
    """Scale the last axis to length 1."""
    return x / torch.sqrt(torch.sum(x * x, dim=-1, keepdim=True) + 1e-8)
