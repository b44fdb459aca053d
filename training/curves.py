"""Learning curves: a CSV file always, TensorBoard where it is asked for and installed."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import TrainingError

_HEADER = ["step", "name", "value"]


class Curves:
    """Appends values to ``curves.csv`` (step, name, value); a resumed run first drops what lies ahead of it.

    Args:
        folder: Folder of the run.
        step: Step from which the run goes on; later rows are removed.
        tensorboard: Also write TensorBoard events to ``folder/tensorboard``.

    Raises:
        TrainingError: If TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool = False) -> None:
        self._path = folder / "curves.csv"
        kept: list[list[str]] = []
        if self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.reader(stream) if len(row) == len(_HEADER)]
            kept = [row for row in rows if row[0].isdigit() and int(row[0]) <= step]
        with self._path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([_HEADER, *kept])
        self._events: Any = None
        if tensorboard:
            if importlib.util.find_spec("tensorboard") is None:
                raise TrainingError("TensorBoard is not installed.", fix="Run pip install tensorboard.")
            module = importlib.import_module("torch.utils.tensorboard")
            self._events = module.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step."""
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([step, name, repr(float(value))] for name, value in values.items())
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish the TensorBoard file."""
        if self._events is not None:
            self._events.close()
