"""The paper's mu and gamma: a face recogniser on every frame, a transformer over the frames of a window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.temporal import unit_norm

NO_FACE = -1
"""Tick of a row that is filler."""


class FaceWindowEncoder(nn.Module):
    """One embedding a window (paper, Sec. 5 "Models"); mu and gamma have one each.

    The paper leaves open the transformer's size and how it is pooled; here it is pre-norm, and its outputs
    are averaged over the frames.

    Args:
        backbone: Maps float RGB (n, 3, 112, 112) in [-1, 1] to (n, width).
        width: Length of the backbone's embedding.
        ticks: Length F of a window.
        layers: Transformer layers.
        heads: Attention heads.
        dimension: Length D of the result.
    """

    def __init__(
        self, backbone: nn.Module, *, width: int, ticks: int, layers: int, heads: int, dimension: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.place = nn.Embedding(ticks, width)
        nn.init.normal_(self.place.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.time = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.leave = nn.Linear(width, dimension)

    def forward(self, faces: Tensor, ticks: Tensor) -> Tensor:
        """Encode windows.

        Args:
            faces: uint8 RGB, shape (N, T, K, 112, 112, 3), aligned.
            ticks: int64, shape (N, T, K): tick of each within its window, -1 where the row is filler; at
                least one face a window.

        Returns:
            Float, shape (N, T, D), unit norm.
        """
        windows = ticks.flatten(0, 1)
        present = windows != NO_FACE
        pictures = faces.flatten(0, 1)[present].permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1.0
        features = self.backbone(pictures).float() + self.place(windows[present])
        frames = features.new_zeros(*windows.shape, features.shape[1])
        frames[present] = features
        encoded = self.time(frames, src_key_padding_mask=~present)
        weight = present[..., None].to(encoded.dtype)
        pooled = torch.sum(encoded * weight, dim=1) / torch.sum(weight, dim=1)
        return unit_norm(self.leave(pooled).float()).reshape(*ticks.shape[:2], -1)
