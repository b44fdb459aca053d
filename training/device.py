"""Where a run computes: processor or GPU, precision, and one process a GPU under ``torchrun``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from training.errors import TrainingError

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The place of this process.

    Attributes:
        device: Where tensors go.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        rank: Number of this process.
        processes: How many train together.
    """

    device: torch.device
    precision: str
    rank: int = 0
    processes: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates and writes files."""
        return self.rank == 0

    def autocast(self) -> torch.autocast:
        """Return the context in which losses are computed."""
        dtype = _DTYPES.get(self.precision)
        return torch.autocast(self.device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)

    def move(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the batch on the device."""
        return {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}


def _precision(wanted: str, device: torch.device) -> str:
    if wanted == "fp16" and device.type != "cuda":
        raise TrainingError("fp16 needs a GPU.", fix="Choose the precision auto, fp32 or bf16.")
    if wanted != "auto":
        return wanted
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


@contextmanager
def placement(precision: str) -> Iterator[Placement]:
    """Join the other processes, if ``torchrun`` started any, and leave them at the end.

    Args:
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        TrainingError: If the precision is not to be had here.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if processes > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Placement(
            device=device, precision=_precision(precision, device), rank=rank, processes=processes
        )
    finally:
        if processes > 1:
            torch.distributed.destroy_process_group()
