"""Compact gamma: lip points and mouth pixels, each with its own branch, to one embedding a frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engines.frontend.lips import LIP_POINTS
from engines.frontend.mouth import MOUTH_SIZE_PX
from training.models.temporal import CONTEXT_TICKS, DROPPED, temporal_stack, unit_norm

_LIP_SCALE = 20.0
_STEM_FRAMES = 5


class VisualFrames(NamedTuple):
    """Unit-norm frame embeddings, each (n, F - 2R, D): of both branches together, and of each alone."""

    fused: Tensor
    lips: Tensor
    mouth: Tensor


class LipEncoder(nn.Module):
    """Lip points relative to their mean over the input, and their velocities, to features a frame.

    Args:
        channels: Features C of a frame.
        hidden: Hidden width of the temporal blocks.
    """

    def __init__(self, channels: int = 144, hidden: int = 240) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv1d(4 * LIP_POINTS, channels, 1), nn.Dropout1d(DROPPED))
        self.time = temporal_stack(channels, hidden, CONTEXT_TICKS - 1)

    def forward(self, lips: Tensor) -> Tensor:
        """Map float (n, F, 40, 2), in eye distances, to (n, C, F - 2R)."""
        points = lips.flatten(2).transpose(1, 2) * _LIP_SCALE
        centred = points - points.mean(dim=2, keepdim=True)
        velocity = points[:, :, 2:] - points[:, :, :-2]
        features: Tensor = self.time(self.enter(torch.cat([centred[:, :, 1:-1], velocity], dim=1)))
        return features


def _depthwise(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False),
        nn.BatchNorm2d(channels_in),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = _depthwise(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.block(x)
        return x + change


class MouthEncoder(nn.Module):
    """Grey mouth pictures to features a frame.

    The stem sees five frames at a time as the channels of a 2-D convolution, which is a 3-D convolution that
    is valid in time. Pictures are padded in space only.

    Args:
        channels: Features C of a frame.
        hidden: Hidden width of the temporal blocks.
    """

    def __init__(self, channels: int = 144, hidden: int = 192) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(_STEM_FRAMES, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.space = nn.Sequential(
            _depthwise(16, 40, 2),
            _depthwise(40, 80, 2),
            _Residual(80),
            _depthwise(80, 144, 2),
            _Residual(144),
        )
        grid_px = MOUTH_SIZE_PX // 16
        self.place = nn.Conv2d(144, 144, grid_px, groups=144, bias=False)
        self.enter = nn.Sequential(nn.BatchNorm1d(144), nn.Dropout1d(DROPPED), nn.Conv1d(144, channels, 1))
        self.time = temporal_stack(channels, hidden, CONTEXT_TICKS - _STEM_FRAMES // 2)

    def forward(self, mouth: Tensor) -> Tensor:
        """Map float (n, F, 64, 64) in [0, 255] to (n, C, F - 2R)."""
        segments = mouth.shape[0]
        pictures = mouth / 64.0 - 2.0
        frames = pictures.shape[1] - _STEM_FRAMES + 1
        taps = torch.stack([pictures[:, k : k + frames] for k in range(_STEM_FRAMES)], dim=2)
        stacked = taps.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features = self.place(self.space(self.stem(stacked)))
        seen = features.reshape(segments, frames, features.shape[1]).transpose(1, 2)
        result: Tensor = self.time(self.enter(seen))
        return result


class VisualEncoder(nn.Module):
    """Late fusion: the frame embedding is the sum of a linear map of each branch, scaled to unit norm.

    Args:
        dimension: Length D of an embedding.
        channels: Features of a frame in each branch.
    """

    def __init__(self, dimension: int = 96, channels: int = 144) -> None:
        super().__init__()
        self.lips = LipEncoder(channels)
        self.mouth = MouthEncoder(channels)
        self.from_lips = nn.Conv1d(channels, dimension, 1)
        self.from_mouth = nn.Conv1d(channels, dimension, 1)

    def branches(self, lips: Tensor, mouth: Tensor) -> VisualFrames:
        """Return the fused embeddings and those of each branch alone."""
        of_lips = self.from_lips(self.lips(lips)).transpose(1, 2)
        of_mouth = self.from_mouth(self.mouth(mouth.to(lips.dtype))).transpose(1, 2)
        return VisualFrames(unit_norm(of_lips + of_mouth), unit_norm(of_lips), unit_norm(of_mouth))

    def forward(self, lips: Tensor, mouth: Tensor) -> Tensor:
        """Encode segments.

        Args:
            lips: Float, shape (n, F, 40, 2), as from ``engines.frontend.lips``, gaps bridged.
            mouth: uint8 or float in [0, 255], shape (n, F, 64, 64), as from ``engines.frontend.mouth``.

        Returns:
            Float, shape (n, F - 2R, D), unit norm; frame k belongs to tick k + R.
        """
        return self.branches(lips, mouth).fused
