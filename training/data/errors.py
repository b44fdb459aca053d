"""What can be wrong with training data."""

from __future__ import annotations

from training.errors import TrainingError


class DatasetError(TrainingError):
    """A data set, its table or a folder of prepared clips cannot be used."""


class SplitLeakError(DatasetError):
    """One speaker or one source recording is in two splits."""
