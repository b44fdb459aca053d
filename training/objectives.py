"""What a step minimises, as modules: DistributedDataParallel wraps them, and a batch goes in by name."""

from __future__ import annotations

from torch import Tensor, nn

from training.config import CrossLoss
from training.losses import cross_modal_loss, frame_contrast_loss, intra_modal_loss
from training.models.audio import AudioEncoder
from training.models.identity import IdentityAggregator
from training.models.temporal import unit_norm
from training.models.visual import VisualEncoder

Losses = dict[str, Tensor]
"""``loss`` is minimised; the others are shown."""


def cross_loss(visual: Tensor, audio: Tensor, config: CrossLoss) -> Tensor:
    """Return the configured loss of frame embeddings.

    Args:
        visual: Float, shape (n, L, D), unit norm.
        audio: Float, shape (n, L, D), unit norm.
        config: Which loss; ``paper`` cuts the L frames into windows that follow each other, at least two.
    """
    window = config.window_frames
    if config.kind == "frames":
        return frame_contrast_loss(
            visual, audio, config.temperature, window=window, guard_ticks=config.guard_ticks
        )
    count = visual.shape[1] // window
    if count < 2:
        raise ValueError(f"{visual.shape[1]} frames hold no two windows of {window} frames")
    lips, voice = (unit_norm(x[:, : count * window].reshape(len(x), count, -1)) for x in (visual, audio))
    return cross_modal_loss(lips, voice, config.temperature)


class CompactCross(nn.Module):
    """Compact gamma and alpha under the cross-modal loss, the two visual branches also each on its own.

    Args:
        config: Loss.
    """

    def __init__(self, config: CrossLoss) -> None:
        super().__init__()
        self.visual = VisualEncoder()
        self.audio = AudioEncoder()
        self._config = config

    def forward(self, lips: Tensor, mouth: Tensor, speech: Tensor) -> Losses:
        """Return the losses of a batch of segments, shapes as the encoders take them."""
        seen = self.visual.branches(lips, mouth)
        heard = self.audio(speech).float()
        fused, by_lips, by_mouth = (cross_loss(part.float(), heard, self._config) for part in seen)
        return {
            "loss": fused + self._config.branch_weight * (by_lips + by_mouth),
            "fused": fused.detach(),
            "lips": by_lips.detach(),
            "mouth": by_mouth.detach(),
        }


class CompactIntra(nn.Module):
    """Compact mu under Eq. 2.

    Args:
        temperature: tau.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.identity = IdentityAggregator()
        self._temperature = temperature

    def forward(self, frames: Tensor, weight: Tensor) -> Losses:
        """Return the loss of a batch.

        Args:
            frames: Float, shape (N, T, K, D).
            weight: Float, shape (N, T, K).
        """
        windows = self.identity(frames.flatten(0, 1), weight.flatten(0, 1))
        identity = windows.reshape(*frames.shape[:2], -1)
        return {"loss": intra_modal_loss(identity.float(), self._temperature)}


def decayed_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return the parameters in two groups; biases and normalisation are not decayed."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def count_parameters(module: nn.Module) -> int:
    """Return the number of trained numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters())
