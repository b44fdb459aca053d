"""A module whose convolutions run in fp16 and everything else in fp32, stated in the module itself."""

from __future__ import annotations

import copy

from torch import Tensor, nn

_KINDS = (nn.Conv1d, nn.Conv2d)


class HalfConvolution(nn.Module):
    """A convolution in fp16 between fp32 neighbours.

    Args:
        convolution: In fp32; it is copied.
    """

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        self.convolution = copy.deepcopy(convolution).half()

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 to float32."""
        result: Tensor = self.convolution(x.half())
        return result.float()


def with_half_convolutions(module: nn.Module) -> nn.Module:
    """Return a copy with every convolution in fp16; normalisation, sums and inputs stay in fp32.

    Args:
        module: In fp32; it is left as it is.
    """
    copied = copy.deepcopy(module)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _KINDS):
                setattr(parent, name, HalfConvolution(child))
    return copied
