"""``seamwatch train``: prepared clips to checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from training.config import TrainConfig, load_config
from training.errors import require_torch

if TYPE_CHECKING:
    from training.device import Placement
    from training.loop import Outcome, Progress
    from training.tasks import Task


@contextmanager
def _progress_bar(name: str) -> Iterator[Callable[[Progress], None]]:
    """Show how far a training is, on stderr and only where a person sees it."""
    console = Console(stderr=True)
    with ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  best AUC {task.fields[best]}"),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        shown = bar.add_task(name, total=None, loss=float("nan"), best="-")

        def update(state: Progress) -> None:
            best = "-" if state.best is None else f"{state.best:.4f}"
            bar.update(shown, total=state.steps, completed=state.step, loss=state.loss, best=best)

        yield update


def _tasks(
    config: TrainConfig, data: Path, copies: tuple[Path, ...], placement: Placement
) -> Iterator[Callable[[], Task]]:
    """Yield what makes each training of the run; weights are drawn only when it is called."""
    from training.pool import load_pools
    from training.tasks import cross_task, intra_task

    pools = load_pools(data, config.split_seed, copies)
    train, validation = pools["train"], pools["validation"]
    cross, intra = config.cross, config.intra
    if cross is not None:
        yield lambda: cross_task(config, cross, train, validation, rank=placement.rank)
    if intra is not None:
        yield lambda: intra_task(config, intra, train, validation, rank=placement.rank)


def _report(name: str, folder: Path, outcome: Outcome, as_json: bool) -> None:
    if as_json:
        values = {
            "task": name,
            "folder": str(folder),
            "step": outcome.step,
            "best_step": outcome.best_step,
            "metrics": dict(outcome.metrics),
            "interrupted": outcome.interrupted,
        }
        click.echo(json.dumps(values))
        return
    figures = "  ".join(f"{key} {value:.4f}" for key, value in sorted(outcome.metrics.items()))
    state = "interrupted" if outcome.interrupted else "done"
    click.echo(f"{name}: {state} at step {outcome.step}; best at step {outcome.best_step}: {figures}")


@click.command()
@click.option("--config", "config_name", required=True, metavar="NAME|FILE", help="compact, paper, or a TOML file.")
@click.option(
    "--data",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Prepared clips, as written by `seamwatch data prepare`.",
)
@click.option(
    "--copies",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Prepared re-encoded copies of the same clips; can be given several times.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the run: checkpoints, curves, and what --resume goes on from.",
)
@click.option("--only", type=click.Choice(["cross", "intra"]), help="Train only lips and voice, or only identity.")
@click.option("--resume", is_flag=True, help="Go on where the run in the folder stopped.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads that torch may use.")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a training on stdout.")
def train(
    *,
    config_name: str,
    data: Path,
    copies: tuple[Path, ...],
    out: Path,
    only: str | None,
    resume: bool,
    threads: int | None,
    tensorboard: bool,
    as_json: bool,
) -> None:
    """Train encoders on real clips: lips and voice (cross), then identity (intra).

    Ctrl-C ends the run after the current step and leaves a checkpoint; the same command with --resume goes on
    bit-exactly. Under torchrun, every process takes one GPU.
    """
    require_torch()
    config = load_config(config_name)
    import torch

    from training.device import placement
    from training.loop import TrainingRun

    if threads is not None:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    sections = [section for section in (config.cross, config.intra) if section is not None]
    with placement(sections[0].optimisation.precision) as place:
        for make in _tasks(config, data, copies, place):
            task = make()
            if only not in (None, task.name):
                continue
            folder = out / task.name
            run = TrainingRun(task, config.model_dump(mode="json"), folder, place, resume=resume)
            with _progress_bar(task.name) as on_progress:
                outcome = run.run(on_progress, tensorboard=tensorboard)
            if place.leads:
                _report(task.name, folder, outcome, as_json)
            if outcome.interrupted:
                raise click.Abort
