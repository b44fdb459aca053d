"""The errors of training, and the check that torch is there."""

from __future__ import annotations

import importlib.util

from engines.errors import SeamwatchError


class TrainingError(SeamwatchError):
    """A configuration, data set or checkpoint cannot be used for training."""


def require_torch(*more: str) -> None:
    """Check that torch and safetensors can be imported, without importing them.

    Args:
        more: Other packages of the training extra that are needed.

    Raises:
        TrainingError: If one is missing.
    """
    missing = [name for name in ("torch", "safetensors", *more) if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"Training needs {' and '.join(missing)}.", fix="Run pip install 'seamwatch[training]'."
        )
