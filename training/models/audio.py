"""Compact alpha: log-mel to one embedding a video tick."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.frontend.mel import FRAMES_PER_TICK, MEL_BINS
from training.models.temporal import CONTEXT_TICKS, temporal_stack, unit_norm


class AudioEncoder(nn.Module):
    """Two convolutions over mel and time, one step from 100 Hz to 25 Hz, then temporal blocks.

    Nothing is averaged over the input, so an embedding depends on its own 2R + 1 ticks of sound alone.

    Args:
        dimension: Length D of an embedding.
        channels: Features C of a frame.
        hidden: Hidden width of the temporal blocks.
    """

    def __init__(self, dimension: int = 96, channels: int = 176, hidden: int = 288) -> None:
        super().__init__()
        self.detail = nn.Sequential(
            nn.Conv2d(1, 24, 5, (1, 2), (0, 2), bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Conv2d(24, 24, 5, (1, 2), (0, 2), groups=24, bias=False),
            nn.BatchNorm2d(24),
            nn.Conv2d(24, 48, 1, bias=False),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.Conv2d(48, 48, (FRAMES_PER_TICK, 3), (FRAMES_PER_TICK, 2), (0, 1), groups=48, bias=False),
            nn.BatchNorm2d(48),
        )
        self.enter = nn.Conv1d(48 * MEL_BINS // 8, channels, 1)
        self.time = temporal_stack(channels, hidden, CONTEXT_TICKS - 1)
        self.leave = nn.Conv1d(channels, dimension, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """Encode segments.

        Args:
            mel: Float, shape (n, 4 F, 80), as from ``engines.frontend.mel.log_mel``.

        Returns:
            Float, shape (n, F - 2R, D), unit norm; frame k belongs to tick k + R.
        """
        detail = self.detail((mel[:, None] + 6.0) / 4.0)
        features = self.enter(detail.transpose(1, 2).flatten(2).transpose(1, 2))
        return unit_norm(self.leave(self.time(torch.relu(features))).transpose(1, 2))
