"""Checkpoints: weights with what they are (safetensors and JSON), and the whole state of a run to resume."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from engines.store.files import write_atomically
from training.errors import TrainingError

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """What a checkpoint is.

    Attributes:
        task: ``cross`` or ``intra``.
        config: The whole configuration of the run.
        data_sha256: Digest of the training clips.
        train_speakers: Number of people in them.
        step: Optimiser steps behind it.
        metrics: Figures on the validation split.
    """

    task: str
    config: Mapping[str, Any]
    data_sha256: str
    train_speakers: int
    step: int
    metrics: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the fields for a JSON file."""
        return {
            "format": FORMAT,
            "task": self.task,
            "step": self.step,
            "metrics": dict(self.metrics),
            "data_sha256": self.data_sha256,
            "train_speakers": self.train_speakers,
            "config": dict(self.config),
        }


def save_checkpoint(path: Path, module: nn.Module, info: CheckpointInfo) -> None:
    """Write ``path`` (safetensors) and, beside it, the JSON of the same name; each whole or not at all."""
    tensors = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()
    }
    write_atomically(path, save_tensors(tensors))
    text = json.dumps(info.to_json(), indent=1, sort_keys=True)
    write_atomically(path.with_suffix(".json"), f"{text}\n".encode())


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], CheckpointInfo]:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        TrainingError: If a file is missing or damaged.
    """
    try:
        values = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise TrainingError(f"{path} has another format.", fix="Train it again.")
        return load_tensors(path.read_bytes()), CheckpointInfo(**values)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(
            f"{path} and its .json are no checkpoint.", fix="Train it again, or name another file."
        ) from error


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], origin: Path) -> None:
    """Put weights into a module.

    Raises:
        TrainingError: If they belong to another module.
    """
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise TrainingError(
            f"{origin} does not fit this model.", fix="Name a checkpoint of the same family and version."
        ) from error


def random_state() -> dict[str, Any]:
    """Return the state of every global source of chance, in types that load without running code."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (
            str(kind),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ),
        "python": random.getstate(),
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Set every global source of chance to what :func:`random_state` returned."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(  # noqa: NPY002
        (kind, keys.numpy().astype(np.uint32), position, has_gauss, cached)
    )
    random.setstate(state["python"])


def save_run(path: Path, state: Mapping[str, Any]) -> None:
    """Write the whole state of a run, whole or not at all."""
    unfinished = path.with_suffix(".part")
    torch.save(dict(state), unfinished)
    unfinished.replace(path)


def read_run(path: Path) -> dict[str, Any]:
    """Read the state of a run; only tensors and plain values, never code.

    Raises:
        TrainingError: If the file is damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"{path} is no state of a training run.", fix="Remove it and train from the start."
        ) from error
    if not isinstance(state, dict):
        raise TrainingError(f"{path} is no state of a training run.", fix="Remove it.")
    return state
