"""Compact alpha: the speech features of a pretrained encoder to one embedding a video tick."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.contracts import SPEECH_FEATURES, STEPS_PER_TICK
from engines.spec import Role
from training.models.temporal import CONTEXT_TICKS, DROPPED, temporal_stack, unit_norm

FEATURES_PER_TICK = STEPS_PER_TICK[Role.AUDIO]


class AudioEncoder(nn.Module):
    """Both features of a tick side by side, then temporal blocks.

    Nothing is averaged over the input. The features themselves have seen the whole sound of the window.

    Args:
        dimension: Length D of an embedding.
        channels: Features C of a frame.
        hidden: Hidden width of the temporal blocks.
    """

    def __init__(self, dimension: int = 96, channels: int = 144, hidden: int = 240) -> None:
        super().__init__()
        width = FEATURES_PER_TICK * SPEECH_FEATURES
        self.enter = nn.Sequential(
            nn.BatchNorm1d(width, affine=False), nn.Dropout1d(DROPPED), nn.Conv1d(width, channels, 1)
        )
        self.join = nn.Conv1d(channels, channels, 3)
        self.time = temporal_stack(channels, hidden, CONTEXT_TICKS - 1)
        self.leave = nn.Conv1d(channels, dimension, 1)

    def forward(self, speech: Tensor) -> Tensor:
        """Encode segments.

        Args:
            speech: Float, shape (n, 2 F, 384), states of the speech encoder.

        Returns:
            Float, shape (n, F - 2R, D), unit norm; frame k belongs to tick k + R.
        """
        ticks = speech.reshape(speech.shape[0], -1, FEATURES_PER_TICK * SPEECH_FEATURES).transpose(1, 2)
        features = self.join(torch.relu(self.enter(ticks)))
        return unit_norm(self.leave(self.time(features)).transpose(1, 2))
