"""``seamwatch train``: prepared clips to checkpoints."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from training.config import load_config
from training.errors import require_torch

if TYPE_CHECKING:
    from training.loop import Outcome, Progress

#: Read when the libraries load. Waiting threads that spin make a shared machine many times slower, and
#: numpy's own threads do not pay for arrays as small as a batch has.
_THREADING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}


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
@click.option(
    "--config", "config_name", required=True, metavar="NAME|FILE", help="compact, paper, or a TOML file."
)
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
@click.option(
    "--only", type=click.Choice(["cross", "intra"]), help="Train only lips and voice, or only identity."
)
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
    for name, value in _THREADING.items():
        os.environ.setdefault(name, value)
    run: ModuleType = importlib.import_module("training.run")
    train_all: Callable[..., Iterator[tuple[str, Path, Outcome]]] = run.train_all
    outcomes = train_all(
        config,
        data,
        out,
        _progress_bar,
        copies=copies,
        only=only,
        resume=resume,
        threads=threads,
        tensorboard=tensorboard,
    )
    for name, folder, outcome in outcomes:
        _report(name, folder, outcome, as_json)
        if outcome.interrupted:
            raise click.Abort
