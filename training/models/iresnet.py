"""The IResNet of ArcFace and AdaFace, with the names of ArcFace's public checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engines.frontend.alignment import ALIGNED_SIZE_PX
from training.checkpoint import load_weights
from training.config import PaperConfig
from training.errors import TrainingError

_ADAFACE_ENDS = {
    "input_layer.0": "conv1",
    "input_layer.1": "bn1",
    "input_layer.2": "prelu",
    "output_layer.0": "bn2",
    "output_layer.3": "fc",
    "output_layer.4": "features",
}
_ADAFACE_BLOCK = {
    "res_layer.0": "bn1",
    "res_layer.1": "conv1",
    "res_layer.2": "bn2",
    "res_layer.3": "prelu",
    "res_layer.4": "conv2",
    "res_layer.5": "bn3",
    "shortcut_layer.0": "downsample.0",
    "shortcut_layer.1": "downsample.1",
}
_WRAPPER = re.compile(r"^(module|model|net|backbone)\.")


class _Block(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int, *, pooled_shortcut: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if pooled_shortcut and channels_in == channels:
            self.downsample = nn.MaxPool2d(1, stride)
        elif stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        change: Tensor = self.bn3(self.conv2(hidden))
        kept: Tensor = self.downsample(x)
        return change + kept


class IResNet(nn.Module):
    """Face recogniser (ArcFace, Deng et al. 2019).

    Args:
        blocks: Residual blocks of the four stages.
        width: Channels of the first stage; each further one doubles them.
        dimension: Length of the embedding.
        pooled_shortcut: Where the channels stay as they are, a shortcut leaves out pixels (AdaFace, Kim et
            al. 2022) instead of convolving them.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        width: int = 64,
        dimension: int = 512,
        *,
        pooled_shortcut: bool = False,
    ) -> None:
        super().__init__()

        def stage(channels_in: int, channels: int, count: int) -> nn.Sequential:
            first = _Block(channels_in, channels, 2, pooled_shortcut=pooled_shortcut)
            others = (
                _Block(channels, channels, 1, pooled_shortcut=pooled_shortcut) for _ in range(count - 1)
            )
            return nn.Sequential(first, *others)

        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        self.layer1 = stage(width, width, blocks[0])
        self.layer2 = stage(width, 2 * width, blocks[1])
        self.layer3 = stage(2 * width, 4 * width, blocks[2])
        self.layer4 = stage(4 * width, 8 * width, blocks[3])
        self.bn2 = nn.BatchNorm2d(8 * width)
        self.fc = nn.Linear(8 * width * (ALIGNED_SIZE_PX // 16) ** 2, dimension)
        self.features = nn.BatchNorm1d(dimension)
        self.features.weight.requires_grad = False

    def forward(self, pictures: Tensor) -> Tensor:
        """Embed aligned faces.

        Args:
            pictures: Float RGB, shape (n, 3, 112, 112), in [-1, 1].

        Returns:
            Float, shape (n, D), of any length.
        """
        x = self.prelu(self.bn1(self.conv1(pictures)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        embedding: Tensor = self.features(self.fc(self.bn2(x).flatten(1)))
        return embedding


def build_face_backbone(config: PaperConfig) -> IResNet:
    """Return the configured network with the weights of its checkpoint, if it has one.

    Raises:
        TrainingError: If the checkpoint cannot be read, or belongs to another network.
    """
    blocks, width, dimension = config.face_blocks, config.face_width, config.face_dimension
    if config.face_backbone is None:
        return IResNet(blocks, width, dimension)
    tensors = _read(config.face_backbone)
    adaface = "input_layer.0.weight" in tensors
    if adaface:
        tensors = from_adaface(tensors, blocks)
    if config.face_channels == "bgr" and "conv1.weight" in tensors:
        tensors["conv1.weight"] = tensors["conv1.weight"].flip(1)
    network = IResNet(blocks, width, dimension, pooled_shortcut=adaface)
    load_weights(network, tensors, config.face_backbone)
    return network


def from_adaface(tensors: Mapping[str, Tensor], blocks: tuple[int, int, int, int]) -> dict[str, Tensor]:
    """Give the tensors of an AdaFace checkpoint the names of ArcFace's; unknown ones keep theirs.

    Args:
        tensors: By name.
        blocks: Residual blocks of the four stages; AdaFace numbers them all in one row.
    """
    names = dict(_ADAFACE_ENDS)
    places = [f"layer{stage}.{i}" for stage, count in enumerate(blocks, start=1) for i in range(count)]
    for number, place in enumerate(places):
        names |= {f"body.{number}.{old}": f"{place}.{new}" for old, new in _ADAFACE_BLOCK.items()}
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition(".")
        renamed[f"{names.get(layer, layer)}.{leaf}"] = tensor
    if "features.running_mean" in renamed:
        mean = renamed["features.running_mean"]
        renamed.setdefault("features.weight", torch.ones_like(mean))
        renamed.setdefault("features.bias", torch.zeros_like(mean))
    return renamed


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, without a wrapper's prefix and without a classification head."""
    try:
        if path.suffix == ".safetensors":
            values = load_file(path)
        else:
            values = torch.load(path, map_location="cpu", weights_only=True)
            values = values.get("state_dict", values)
        named = {_WRAPPER.sub("", name): tensor for name, tensor in values.items()}
    except OSError as error:
        raise TrainingError(
            f"The face checkpoint {path} cannot be read.",
            fix="Fetch it from the authors of ArcFace or AdaFace, and set paper.face_backbone to it.",
        ) from error
    except Exception as error:
        raise TrainingError(
            f"The face checkpoint {path} is damaged, or holds more than tensors.",
            fix="If you trust it, load it with torch and save its state dict alone.",
        ) from error
    return {name: tensor for name, tensor in named.items() if not name.startswith("head.")}
