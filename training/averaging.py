"""Running average of a model's weights: what is judged and kept, because single steps are noisy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of all weights and statistics of a module (Polyak averaging).

    Args:
        module: What is averaged; its weights of now are the start.
        decay: Weight of the past after many steps, in [0, 1); 0 averages nothing and costs nothing.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module, self._decay = module, decay
        weights = module.state_dict() if decay else {}
        self._average = {name: value.detach().clone() for name, value in weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after a step in; early steps are forgotten sooner.

        Args:
            step: Steps done, at least 1.
        """
        if not self._average:
            return
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._module.state_dict().items():
            if value.is_floating_point():
                self._average[name].lerp_(value, 1.0 - decay)
            else:
                self._average[name].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module have the average for a while."""
        if not self._average:
            yield
            return
        own = {name: value.detach().clone() for name, value in self._module.state_dict().items()}
        self._module.load_state_dict(self._average)
        try:
            yield
        finally:
            self._module.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average."""
        return dict(self._average)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from an average."""
        for name, value in self._average.items():
            value.copy_(state[name])
