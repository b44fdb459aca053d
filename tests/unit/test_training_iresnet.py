"""Face recognisers out of public checkpoints."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("safetensors", reason="needs the training extra")

from safetensors.torch import save_file
from torch import nn

from training.config import PaperConfig
from training.errors import TrainingError
from training.models.iresnet import IResNet, build_face_backbone

BLOCKS = (1, 2, 1, 1)
PAPER = PaperConfig(face_blocks=BLOCKS, face_width=4, face_dimension=32, whisper="unused")


def adaface(blocks: tuple[int, ...], width: int, dimension: int) -> nn.Sequential:
    """AdaFace's IR network, module by module as its checkpoints name them."""

    class Block(nn.Module):
        def __init__(self, channels_in: int, channels: int, stride: int) -> None:
            super().__init__()
            self.shortcut_layer = (
                nn.MaxPool2d(1, stride)
                if channels_in == channels
                else nn.Sequential(
                    nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
                )
            )
            self.res_layer = nn.Sequential(
                nn.BatchNorm2d(channels_in),
                nn.Conv2d(channels_in, channels, 3, 1, 1, bias=False),
                nn.BatchNorm2d(channels),
                nn.PReLU(channels),
                nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
                nn.BatchNorm2d(channels),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.shortcut_layer(x) + self.res_layer(x)

    body, channels = [], width
    for stage, count in enumerate(blocks):
        for i in range(count):
            body.append(Block(channels, width * 2**stage, 1 if i else 2))
            channels = width * 2**stage
    parts = OrderedDict(
        input_layer=nn.Sequential(
            nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        ),
        body=nn.Sequential(*body),
        output_layer=nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(channels * 49, dimension),
            nn.BatchNorm1d(dimension, affine=False),
        ),
    )
    return nn.Sequential(parts)


def shaken(network: nn.Module) -> nn.Module:
    """Move all weights and running statistics away from their first values."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return network.eval()


@pytest.mark.parametrize(
    ("blocks", "millions"), [((2, 2, 2, 2), 24.0), ((3, 4, 14, 3), 43.6), ((3, 13, 30, 3), 65.2)]
)
def test_the_network_is_as_large_as_the_published_one(blocks: Any, millions: float) -> None:
    with torch.device("meta"):
        network = IResNet(blocks)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["layer1.0.downsample.0.weight"] == (64, 64, 1, 1)
    assert shapes["layer3.1.conv2.weight"] == (256, 256, 3, 3)
    assert shapes["layer4.0.prelu.weight"] == (512,)
    assert shapes["fc.weight"] == (512, 25088)
    assert {name.split(".")[0] for name in shapes} == {
        *("conv1", "bn1", "prelu", "layer1", "layer2", "layer3", "layer4", "bn2", "fc", "features")
    }


@pytest.mark.parametrize("kind", ["torch", "wrapped", "safetensors"])
def test_an_arcface_checkpoint_loads(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(1)
    published = shaken(IResNet(BLOCKS, 4, 32))
    tensors = published.state_dict()
    path = tmp_path / ("face.safetensors" if kind == "safetensors" else "face.pth")
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save({f"module.{n}": t for n, t in tensors.items()} if kind == "wrapped" else tensors, path)
    loaded = build_face_backbone(PAPER.model_copy(update={"face_backbone": path})).eval()
    pictures = torch.rand(2, 3, 112, 112) * 2 - 1
    assert torch.equal(loaded(pictures), published(pictures))


def test_an_adaface_checkpoint_gives_its_embeddings_of_pictures_with_colours_the_usual_way(
    tmp_path: Path,
) -> None:
    torch.manual_seed(1)
    published = shaken(adaface(BLOCKS, 4, 32))
    path = tmp_path / "adaface.ckpt"
    named = {f"model.{name}": tensor for name, tensor in published.state_dict().items()}
    torch.save({"state_dict": {**named, "head.kernel": torch.zeros(3)}, "epoch": 5}, path)
    changes = {"face_backbone": path, "face_channels": "bgr"}
    loaded = build_face_backbone(PAPER.model_copy(update=changes)).eval()
    pictures = torch.rand(2, 3, 112, 112) * 2 - 1
    expected = published(pictures.flip(1))
    assert expected.std() > 0.01
    assert torch.allclose(loaded(pictures), expected, atol=1e-5)


class _Foreign:
    pass


def test_face_checkpoints_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "face.pth"
    paper = PAPER.model_copy(update={"face_backbone": path})
    with pytest.raises(TrainingError, match="cannot be read"):
        build_face_backbone(paper)
    torch.save({"state_dict": {}, "code": _Foreign()}, path)
    with pytest.raises(TrainingError, match="more than tensors"):
        build_face_backbone(paper)
    torch.save(IResNet((1, 1, 1, 1), 4, 32).state_dict(), path)
    with pytest.raises(TrainingError, match="does not fit"):
        build_face_backbone(paper)
