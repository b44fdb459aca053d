"""The training loop: AdamW with a one-cycle rate, validation, early stop, and runs that resume bit-exact."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from training.averaging import WeightAverage
from training.batches import batches_ahead
from training.checkpoint import (
    CheckpointInfo,
    random_state,
    read_run,
    restore_random_state,
    save_checkpoint,
    save_run,
)
from training.curves import Curves
from training.device import Placement
from training.errors import TrainingError
from training.objectives import decayed_groups
from training.tasks import METRIC, Task

RUN_FILE, BEST_FILE = "run.pt", "best.safetensors"
_CURVE_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """State of a run that is shown.

    Attributes:
        step: Steps done.
        steps: Steps of the schedule.
        loss: Loss of the newest step.
        best: Best validation figure so far; None before the first.
    """

    step: int
    steps: int
    loss: float
    best: float | None


@dataclass(slots=True)
class _Position:
    """What changes while a run goes on, beside weights and optimiser."""

    step: int = 0
    best: float | None = None
    best_step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    worse: int = 0
    stopped_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        step: Steps done.
        best_step: Step of the best checkpoint.
        metrics: Its figures on the validation split.
        interrupted: Whether a signal ended it before its time; it can be resumed.
    """

    step: int
    best_step: int
    metrics: Mapping[str, float]
    interrupted: bool


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a wish to stop; a second one acts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield asked.is_set
    finally:
        restore()


class TrainingRun:
    """One task in one folder.

    The folder receives ``best.safetensors`` with ``best.json``, ``run.pt`` to resume from, ``curves.csv``.

    Args:
        task: What is trained.
        config: The configuration as plain values; a resumed run must have the same.
        folder: Where the run lives.
        placement: Device, precision and processes.
        resume: Go on from ``run.pt`` where there is one.

    Raises:
        TrainingError: If the folder holds a run that is not to be resumed, or was of other data or settings.
    """

    def __init__(
        self,
        task: Task,
        config: Mapping[str, Any],
        folder: Path,
        placement: Placement,
        *,
        resume: bool = False,
    ) -> None:
        self._task, self._config, self._folder, self._placement = task, dict(config), folder, placement
        optimisation = task.optimisation
        self._objective: nn.Module = task.objective.to(placement.device)
        self._stepped: nn.Module = self._objective
        if placement.processes > 1:
            self._stepped = DistributedDataParallel(self._objective)
        self._optimiser = torch.optim.AdamW(
            decayed_groups(self._objective, optimisation.weight_decay), lr=optimisation.learning_rate
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            max_lr=optimisation.learning_rate,
            total_steps=optimisation.steps,
            pct_start=optimisation.warmup,
        )
        self._scaler = torch.amp.GradScaler(enabled=placement.precision == "fp16")
        self._average = WeightAverage(self._objective, optimisation.average)
        self._position = _Position()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RUN_FILE).exists():
            if not resume:
                raise TrainingError(
                    f"{folder} already holds a run.", fix="Add --resume, or choose another folder."
                )
            self._restore(read_run(folder / RUN_FILE))

    def run(
        self,
        on_progress: Callable[[Progress], None] = lambda _: None,
        *,
        tensorboard: bool = False,
        stop_after: int | None = None,
    ) -> Outcome:
        """Train to the end of the schedule, an early stop, or a signal.

        Args:
            on_progress: Called after every step.
            tensorboard: Also write TensorBoard events.
            stop_after: Behave as if a signal came after this step.
        """
        position, optimisation = self._position, self._task.optimisation
        curves = (
            Curves(self._folder, position.step, tensorboard=tensorboard) if self._placement.leads else None
        )
        interrupted = False
        end = position.step if position.stopped_early else optimisation.steps
        ahead = batches_ahead(self._task.batch, position.step, end, optimisation.workers)
        with _stop_on_signal() as asked, closing(ahead):
            if position.step == 0:
                self._validate(curves)
            for batch in ahead:
                values = self._step(batch)
                position.step += 1
                self._average.update(position.step)
                on_progress(
                    Progress(
                        step=position.step, steps=optimisation.steps, loss=values["loss"], best=position.best
                    )
                )
                if curves is not None and position.step % _CURVE_EVERY == 0:
                    rate = float(self._optimiser.param_groups[0]["lr"])
                    named = {f"train/{name}": value for name, value in values.items()}
                    curves.add(position.step, {**named, "train/learning_rate": rate})
                last = position.step == optimisation.steps
                if last or position.step % optimisation.validate_every == 0:
                    self._validate(curves)
                    self._save()
                interrupted = not last and self._agree(asked() or position.step == stop_after)
                if interrupted or position.stopped_early:
                    self._save()
                    break
        if curves is not None:
            curves.close()
        return Outcome(
            step=position.step,
            best_step=position.best_step,
            metrics=position.best_metrics,
            interrupted=interrupted,
        )

    def _step(self, batch: dict[str, torch.Tensor]) -> dict[str, float]:
        self._stepped.train()
        with self._placement.autocast():
            losses = self._stepped(**self._placement.move(batch))
        loss = losses["loss"]
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss is not finite at step {self._position.step}.", fix="Lower the learning rate."
            )
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._objective.parameters(), self._task.optimisation.clip_norm)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._schedule.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _validate(self, curves: Curves | None) -> None:
        """Validate on the leading process; the others learn whether to stop."""
        position = self._position
        if curves is not None:
            with self._average.applied():
                figures = dict(self._task.validate(self._placement.device))
                curves.add(position.step, {f"validation/{name}": value for name, value in figures.items()})
                if position.best is None or figures[METRIC] > position.best:
                    position.best, position.best_step = figures[METRIC], position.step
                    position.best_metrics, position.worse = figures, 0
                    save_checkpoint(self._folder / BEST_FILE, self._objective, self._info())
                else:
                    position.worse += 1
        position.stopped_early = self._agree(position.worse >= self._task.optimisation.patience)

    def _agree(self, wish: bool) -> bool:
        """Return whether any process wishes it."""
        if self._placement.processes == 1:
            return wish
        flag = torch.tensor(float(wish), device=self._placement.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag.item() > 0)

    def _info(self) -> CheckpointInfo:
        return CheckpointInfo(
            task=self._task.name,
            config=self._config,
            data_sha256=self._task.data_sha256,
            train_speakers=self._task.train_speakers,
            step=self._position.step,
            metrics=self._position.best_metrics,
        )

    def _origin(self) -> dict[str, Any]:
        return {
            "task": self._task.name,
            "config": self._config,
            "data_sha256": self._task.data_sha256,
            "processes": self._placement.processes,
            "precision": self._placement.precision,
        }

    def _save(self) -> None:
        if not self._placement.leads:
            return
        position = self._position
        save_run(
            self._folder / RUN_FILE,
            {
                "origin": self._origin(),
                "objective": self._objective.state_dict(),
                "average": self._average.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "schedule": self._schedule.state_dict(),
                "scaler": self._scaler.state_dict(),
                "random": random_state(),
                "position": {name: getattr(position, name) for name in position.__slots__},
            },
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        stored, present = state.get("origin"), self._origin()
        if not isinstance(stored, Mapping) or dict(stored) != present:
            differing = [
                name
                for name in present
                if not isinstance(stored, Mapping) or stored.get(name) != present[name]
            ]
            raise TrainingError(
                f"The run in {self._folder} was started with another {' and '.join(differing)}.",
                fix="Resume it with what it was started with, or choose another folder.",
            )
        self._objective.load_state_dict(state["objective"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        restore_random_state(state["random"])
        self._position = _Position(**state["position"])
