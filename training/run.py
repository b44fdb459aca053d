"""A whole run: data, split, and the trainings that the configuration names, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from training.config import TrainConfig
from training.device import Placement, placement
from training.loop import Outcome, Progress, TrainingRun
from training.pool import load_pools
from training.tasks import Task, cross_task, intra_task

ShowProgress = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


def train_all(
    config: TrainConfig,
    data: Path,
    out: Path,
    show_progress: ShowProgress,
    *,
    copies: Sequence[Path] = (),
    only: str | None = None,
    resume: bool = False,
    threads: int | None = None,
    tensorboard: bool = False,
) -> Iterator[tuple[str, Path, Outcome]]:
    """Train and yield the name, folder and outcome of every training; ends after an interrupted one.

    Args:
        config: What to train, and how.
        data: Folder of prepared clips.
        out: Folder of the run; every training has a folder of its own in it.
        show_progress: Gives a context whose value takes the progress of the named training.
        copies: Folders of prepared re-encoded copies of the same clips.
        only: ``cross`` or ``intra``; None trains all that the configuration has.
        resume: Go on where the run in the folder stopped.
        threads: Processor threads of torch; None leaves its own choice.
        tensorboard: Also write TensorBoard events.

    Raises:
        TrainingError: If the data, the folder or a setting does not fit.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    settings = config.model_dump(mode="json")
    sections = [section for section in (config.cross, config.intra) if section is not None]
    with placement(sections[0].optimisation.precision) as place:
        for make in _tasks(config, data, copies, only, place):
            task = make()
            folder = out / task.name
            run = TrainingRun(task, settings, folder, place, resume=resume)
            with show_progress(task.name) as on_progress:
                outcome = run.run(on_progress, tensorboard=tensorboard)
            if place.leads:
                yield task.name, folder, outcome
            if outcome.interrupted:
                return


def _tasks(
    config: TrainConfig, data: Path, copies: Sequence[Path], only: str | None, place: Placement
) -> Iterator[Callable[[], Task]]:
    """Yield what makes each training; its weights are drawn only when it is called."""
    pools = load_pools(data, config.split_seed, copies)
    train, validation = pools["train"], pools["validation"]
    cross, intra = config.cross, config.intra
    if cross is not None and only != "intra":
        yield lambda: cross_task(config, cross, train, validation, rank=place.rank)
    if intra is not None and only != "cross":
        yield lambda: intra_task(config, intra, train, validation, rank=place.rank)
